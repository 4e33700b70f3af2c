//! A download annotated and counted in one pass, without landing it first.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::sync_channel;

use arrow::array::RecordBatch;
use bisonflow_contract::StepError;
use bisonflow_occurrence::{Download, ReadOptions, ReadSummary};

use crate::pass::{Done, Order, Pass};
use crate::{Annotator, Columns, LocalFile, RecordFile};

/// Batches that are read ahead.
const READ_AHEAD: usize = 2;
/// Records of a batch of a text.
const BATCH_RECORDS: usize = 1 << 17;

/// What became of a download.
pub struct OnePass<W> {
    /// What annotating came to.
    pub done: Done<W>,
    /// What reading a text or an archive came to; none for a Parquet file.
    pub read: Option<ReadSummary>,
    /// Columns that a filter looks at and the file lacks: to the filter all records are blank there.
    pub absent: Vec<&'static str>,
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
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(StepError::invalid("source", format_args!("found the folder {name}, expected a file")));
    }
    let mut magic = [0; 4];
    let is_parquet = file.read_exact(&mut magic).is_ok() && &magic == b"PAR1";
    let mut pass = Pass::new(annotator, columns.table(), order)?;
    if is_parquet {
        let file = RecordFile::open(LocalFile::new(file).map_err(failed)?, &name)?;
        let is_absent =
            |column: &&str| file.schema().fields().iter().all(|field| field.name().to_lowercase() != *column);
        let absent = annotator.filters.columns().filter(is_absent).collect();
        for group in 0..file.row_groups() {
            pass.row_group(&file, group)?;
        }
        return Ok(OnePass { done: pass.finish()?, read: None, absent });
    }
    let bytes = file.metadata().map_err(failed)?.len();
    let names = pass.table().fields().iter().map(|field| field.name().clone());
    let options = ReadOptions {
        batch_records: BATCH_RECORDS,
        columns: Some(names.collect()),
        coded: true,
        threads: rayon::current_num_threads(),
        // Nobody asks for the checksum of a file that is not landed.
        sha256: false,
        ..ReadOptions::default()
    };
    let download = bisonflow_occurrence::open(file, &name, bytes, options)?;
    let absent = download.absent_columns();
    let absent = annotator.filters.columns().filter(|column| absent.contains(column)).collect();
    let read = annotate_download(&mut pass, download)?;
    Ok(OnePass { done: pass.finish()?, read: Some(read), absent })
}

/// Annotates all records of a download that has the columns of the pass.
fn annotate_download<W: Write + Send>(
    pass: &mut Pass<'_, W>,
    mut download: Download,
) -> Result<ReadSummary, StepError> {
    let schema = download.schema();
    let places = pass.table().fields().iter().map(|field| schema.index_of(field.name()));
    let places: Vec<usize> = places.collect::<Result<_, _>>().map_err(crate::internal)?;
    let (sender, receiver) = sync_channel::<Result<RecordBatch, StepError>>(READ_AHEAD);
    std::thread::scope(|scope| {
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
    })
}
