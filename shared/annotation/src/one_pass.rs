//! A download annotated and counted in one pass, without landing it first.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use bisonflow_contract::StepError;
use bisonflow_occurrence::{Download, ReadOptions, ReadSummary, schema};

use crate::pass::{Done, Order, Pass};
use crate::{Annotator, LocalFile, RecordFile};

/// The columns of the core set: enough to annotate, to count and to find a record again.
pub const CORE_COLUMNS: [&str; 18] = [
    "gbifid",
    "datasetkey",
    "kingdom",
    "family",
    "species",
    "taxonrank",
    "scientificname",
    "countrycode",
    "stateprovince",
    "occurrencestatus",
    "decimallatitude",
    "decimallongitude",
    "coordinateuncertaintyinmeters",
    "eventdate",
    "year",
    "taxonkey",
    "specieskey",
    "basisofrecord",
];

/// Batches that are read ahead.
const READ_AHEAD: usize = 2;
/// Records of a batch of a text.
const BATCH_RECORDS: usize = 1 << 17;

/// Which columns of a download go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Columns {
    /// [`CORE_COLUMNS`].
    Core,
    /// All of `occurrences`.
    #[default]
    Full,
    /// Some of `occurrences`, in this order.
    These(Vec<String>),
}

impl Columns {
    /// The columns as a schema. Filters see only what goes on: a column that is left out counts as null.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] that names the column that does not exist.
    pub fn table(&self) -> Result<SchemaRef, StepError> {
        let full = schema::schema(&[]);
        let names: Vec<&str> = match self {
            Columns::Full => return Ok(full),
            Columns::Core => CORE_COLUMNS.to_vec(),
            Columns::These(names) => names.iter().map(String::as_str).collect(),
        };
        let field = |name: &str| {
            let field = full.field_with_name(name).map(|field| Arc::new(field.clone()));
            field.map_err(|_| {
                StepError::invalid(
                    "columns",
                    format_args!("found {name}, expected core, full or columns such as gbifid"),
                )
            })
        };
        let fields = names.into_iter().map(field).collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(Schema::new(fields)))
    }
}

/// What became of a download.
pub struct OnePass<W> {
    /// What annotating came to.
    pub done: Done<W>,
    /// What reading a text or an archive came to; none for a Parquet file.
    pub read: Option<ReadSummary>,
}

/// Annotates a file of any form that [`bisonflow_occurrence::open`] knows. A Parquet file is read by row groups, and
/// what is kept whole is copied; anything else is read on a thread of its own, a few batches ahead.
///
/// # Errors
/// What opening and reading raise, and what [`Pass`] does.
pub fn annotate_file<W: Write + Send>(
    annotator: &Annotator,
    path: &Path,
    columns: &Columns,
    order: Order<'_, W>,
) -> Result<OnePass<W>, StepError> {
    let name = path.display().to_string();
    let failed = |error: std::io::Error| StepError::SourceUnavailable(format!("{name}: {error}"));
    let mut file = File::open(path).map_err(failed)?;
    let mut magic = [0; 4];
    let is_parquet = file.read_exact(&mut magic).is_ok() && &magic == b"PAR1";
    let table = columns.table()?;
    if is_parquet {
        let file = RecordFile::open(LocalFile::new(file).map_err(failed)?, &name)?;
        let mut pass = Pass::new(annotator, &table, order)?;
        for group in 0..file.row_groups() {
            pass.row_group(&file, group)?;
        }
        return Ok(OnePass { done: pass.finish()?, read: None });
    }
    let bytes = file.metadata().map_err(failed)?.len();
    // Nobody asks for the checksum of a file that is not landed.
    let names = table.fields().iter().map(|field| field.name().clone());
    let options = ReadOptions {
        batch_records: BATCH_RECORDS,
        columns: Some(names.collect()),
        coded: true,
        threads: rayon::current_num_threads(),
        sha256: false,
        ..ReadOptions::default()
    };
    let download = bisonflow_occurrence::open(file, &name, bytes, options)?;
    annotate_download(annotator, download, &table, order)
}

/// Annotates an open download; `table` are the columns of it that go on.
///
/// # Errors
/// What reading raises, and what [`Pass`] does.
pub fn annotate_download<W: Write + Send>(
    annotator: &Annotator,
    mut download: Download,
    table: &SchemaRef,
    order: Order<'_, W>,
) -> Result<OnePass<W>, StepError> {
    let mut pass = Pass::new(annotator, table, order)?;
    let schema = download.schema();
    let places = table.fields().iter().map(|field| schema.index_of(field.name()));
    let places: Vec<usize> = places.collect::<Result<_, _>>().map_err(crate::internal)?;
    let (sender, receiver) = sync_channel::<Result<RecordBatch, StepError>>(READ_AHEAD);
    let read = std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            while let Some(batch) = download.next_batch().transpose() {
                let batch = batch.map_err(StepError::from);
                let batch = batch.and_then(|batch| batch.project(&places).map_err(crate::internal));
                let is_last = batch.is_err();
                if sender.send(batch).is_err() || is_last {
                    return None;
                }
            }
            Some(download)
        });
        let passed = receiver.iter().try_for_each(|batch| pass.batch(&batch?));
        drop(receiver); // the reader stops, should it not be at the end
        let download =
            reader.join().map_err(|_| StepError::Internal("the reading thread panicked".into()))?;
        passed?;
        let download = download.ok_or_else(|| StepError::Internal("reading ended early".into()))?;
        download.finish().map_err(StepError::from)
    })?;
    Ok(OnePass { done: pass.finish()?, read: Some(read) })
}
