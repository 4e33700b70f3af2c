//! One pass over records: annotated records into a file, counts into memory, on all threads.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use bisonflow_contract::StepError;
use bisonflow_contract::document::Tally;
use bisonflow_occurrence::parquet_file::{ColumnValues, RecordWriter};
use bisonflow_occurrence::{Filters, schema};
use bisonflow_summary::SummarySpec;
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::errors::ParquetError;
use parquet::schema::types::ColumnDescPtr;
use rayon::prelude::*;

use crate::Annotator;
use crate::groups::Counts;
use crate::session::{self, Annotated, Extras, Session};

/// Fewest records of a batch that are worth a thread of their own.
const SHARE_RECORDS: usize = 1024;

/// What annotating is to write, and to count.
pub struct Order<'a, W> {
    /// Where the annotated records go, and what messages call it; none to count only.
    pub out: Option<(W, &'a str)>,
    /// Most records of a row group.
    pub row_group_records: usize,
    /// What is counted.
    pub summaries: &'a [SummarySpec],
    /// Whether the records of each dataset are counted as well.
    pub counts_datasets: bool,
    /// Whether the earliest record of each species in each region is found as well.
    pub finds_earliest: bool,
    /// The last year that a record can have.
    pub run_year: i16,
}

/// Annotates records as they come. The work is shared out over the threads of the current rayon pool; what is
/// written and counted is the same, byte for byte, whatever the batches and the threads are.
pub struct Pass<'a, W: Write + Send> {
    pub(crate) annotator: &'a Annotator,
    pub(crate) sessions: Vec<Session<'a>>,
    pub(crate) writer: Option<RecordWriter<W>>,
    /// The columns of the records that are read: first those that go on, then those that only annotating needs.
    pub(crate) table: SchemaRef,
    /// How many of them go on.
    pub(crate) written: usize,
    /// How Parquet describes those that are read.
    pub(crate) descriptions: Vec<ColumnDescPtr>,
    pub(crate) name: &'a str,
    summaries: &'a [SummarySpec],
    pub(crate) extras: Extras,
    pub(crate) run_year: i16,
}

/// What a pass came to.
pub struct Done<W> {
    /// The output, given back.
    pub out: Option<W>,
    /// What became of the records.
    pub tally: Tally,
    /// The partial counts of each summary, of the matches in the register (`riis_matches`) and, if wanted, of the
    /// datasets (`dataset_counts`) and the earliest records (`<summary>.earliest_dated`), as Parquet files.
    pub counts: BTreeMap<String, Bytes>,
}

impl<'a, W: Write + Send> Pass<'a, W> {
    /// Begins a pass over records of which these columns go on. What else annotating needs is read all the same: it
    /// is told by [`Pass::table`].
    ///
    /// # Errors
    /// [`StepError::SourceUnavailable`] if the output cannot be written to.
    pub fn new(
        annotator: &'a Annotator,
        columns: &SchemaRef,
        order: Order<'a, W>,
    ) -> Result<Self, StepError> {
        let Order { out, row_group_records, summaries, counts_datasets, finds_earliest, run_year } = order;
        let extras = Extras { counts_datasets, finds_earliest };
        let (out, name) = out.unzip();
        let name = name.unwrap_or_default();
        let writer = out.map(|out| RecordWriter::new(out, annotator.schema(columns), row_group_records));
        let writer = writer.transpose().map_err(|error| unwritten(name, &error))?;
        let table = with_needed(columns, &session::needed_columns(&annotator.filters, extras));
        let descriptions = ArrowSchemaConverter::new().convert(&table);
        let descriptions = descriptions.map_err(|error| unwritten(name, &error))?.columns().to_vec();
        let sessions = (0..rayon::current_num_threads())
            .map(|source| Session::new(annotator, source, run_year, extras, writer.is_some()));
        Ok(Pass {
            annotator,
            sessions: sessions.collect(),
            writer,
            table,
            written: columns.fields().len(),
            descriptions,
            name,
            summaries,
            extras,
            run_year,
        })
    }

    /// The columns that are read: first those that go on, then those that only annotating needs.
    pub fn table(&self) -> &SchemaRef {
        &self.table
    }

    /// Annotates a batch of the columns of [`Pass::table`].
    ///
    /// # Errors
    /// [`StepError::SourceUnavailable`] if the output cannot be written to, [`StepError::Internal`] if the batch has
    /// other columns than was said.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<(), StepError> {
        let shares = self.annotate(&self.annotator.filters, batch)?;
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let mut columns: Vec<Vec<ColumnValues<'_>>> = Vec::new();
        for (session, annotated) in self.sessions.iter().zip(&shares) {
            let of_share = session
                .kept_columns(annotated, self.written)?
                .into_iter()
                .chain(session.added_columns(annotated)?);
            for (place, values) in of_share.enumerate() {
                if columns.len() == place {
                    columns.push(Vec::new());
                }
                columns[place].push(values);
            }
        }
        let records = shares.iter().map(|annotated| annotated.kept.num_rows()).sum();
        writer.write_columns(records, &columns).map_err(|error| unwritten(self.name, &error))
    }

    /// Lets each session annotate a share of a batch, the first one the first records.
    pub(crate) fn annotate(
        &mut self,
        filters: &Filters,
        batch: &RecordBatch,
    ) -> Result<Vec<Annotated>, StepError> {
        let records = batch.num_rows();
        let share = records.div_ceil(self.sessions.len()).max(SHARE_RECORDS);
        let sessions = self.sessions.par_iter_mut().enumerate();
        let shares = sessions.map(|(place, session)| {
            let from = (place * share).min(records);
            session.annotate(filters, &batch.slice(from, share.min(records - from)))
        });
        shares.collect()
    }

    /// Ends the pass.
    ///
    /// # Errors
    /// [`StepError::SourceUnavailable`] if the output cannot be written to, [`StepError::BadReferenceData`] if a
    /// summary asks for what no layer writes.
    pub fn finish(self) -> Result<Done<W>, StepError> {
        let Pass { annotator, sessions, writer, name, summaries, extras, run_year, .. } = self;
        let out = writer.map(RecordWriter::finish).transpose().map_err(|error| unwritten(name, &error))?;
        let mut tally = annotator.empty_tally();
        let mut counts = Counts::new(summaries, run_year, extras);
        for session in sessions {
            tally.add(&session.finish(&mut counts)?);
        }
        Ok(Done { out, tally, counts: counts.finish()? })
    }
}

/// The columns, and after them those of `occurrences` that are needed and not among them.
fn with_needed(columns: &SchemaRef, needed: &[&str]) -> SchemaRef {
    let is_missing = |name: &str| columns.field_with_name(name).is_err();
    let occurrences = schema::schema(&[]);
    let missing = occurrences.fields().iter().filter(|field| {
        let name = field.name().as_str();
        needed.contains(&name) && is_missing(name)
    });
    Arc::new(Schema::new(columns.fields().iter().chain(missing).cloned().collect::<Vec<_>>()))
}

pub(crate) fn unwritten(name: &str, error: &ParquetError) -> StepError {
    StepError::SourceUnavailable(format!("writing {name}: {error}"))
}
