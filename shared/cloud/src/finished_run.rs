//! A finished run, to be read: its manifest and the rows of its tables.

use arrow::array::{RecordBatch, Scalar, StringArray};
use arrow::compute::kernels::cmp;
use bisonflow_contract::document::{Manifest, Table};
use bisonflow_contract::layout::{PARTITION_KEY, RUNS};
use bisonflow_contract::publication::{PublicationState, Publications};
use bisonflow_contract::{RunId, StepError};
use futures::TryStreamExt;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, RowFilter};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;

use crate::names::{named, nearest};
use crate::publications::publications;
use crate::ranged_file::{RangedFile, failed};
use crate::run_store::damaged;
use crate::{RunStore, Store};

/// How many runs are told to who names one that is not there.
const TOLD_RUNS: usize = 8;

/// A run that has its manifest.
#[derive(Clone, Debug)]
pub struct FinishedRun {
    run: RunStore,
    manifest: Manifest,
}

/// Rows in which a column of text has this value.
#[derive(Clone, Copy, Debug)]
pub struct Where<'a> {
    /// The column.
    pub column: &'a str,
    /// The value; not null.
    pub is: &'a str,
}

impl FinishedRun {
    /// The run of this id below a root.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if there is no such run, with the ids that are most like it, or if it is not
    /// finished; [`StepError::CountMismatch`] if its manifest is damaged; else as [`Store::get`].
    pub async fn open(store: &Store, run_id: &RunId) -> Result<FinishedRun, StepError> {
        let run = RunStore::new(store, run_id);
        if let Some(manifest) = run.manifest().await.map_err(damaged)? {
            return Ok(FinishedRun { run, manifest });
        }
        if store.head(&run.layout().plan()).await?.is_some() {
            return Err(StepError::invalid(
                "run",
                format_args!(
                    "{run_id} is not finished: {} is not there; see how it ends, or start it again",
                    store.uri_of(&run.layout().manifest())
                ),
            ));
        }
        let prefix = format!("{PARTITION_KEY}=");
        let folders = store.folders(RUNS).await?;
        // A damaged latest.json is not what was asked for: without it the runs that are there are told all the same.
        let latest = match publications(store).await {
            Err(StepError::CountMismatch(_)) => Publications::default(),
            latest => latest?,
        };
        let is_deleted = |id: &str| {
            let state =
                latest.history.iter().rev().find(|one| one.run_id.as_str() == id).map(|one| one.state);
            matches!(state, Some(PublicationState::Deleting | PublicationState::Deleted))
        };
        if is_deleted(run_id.as_str()) {
            return Err(StepError::invalid(
                "run",
                format_args!("{run_id} was published, and deleted since by the retention setting (KeepRuns)"),
            ));
        }
        let ids = folders.iter().filter_map(|folder| folder.strip_prefix(&prefix));
        let ids: Vec<&str> = ids.filter(|id| !is_deleted(id)).collect();
        let alike = nearest(run_id.as_str(), ids.iter().copied());
        let told = if alike.is_empty() && !ids.is_empty() {
            let more = if ids.len() > TOLD_RUNS { ", …" } else { "" };
            format!("there are: {}{more}", ids[..ids.len().min(TOLD_RUNS)].join(", "))
        } else {
            named("runs there", &alike)
        };
        Err(StepError::invalid(
            "run",
            format_args!("found {run_id}, which is not below {}; {told}", store.uri_of(RUNS)),
        ))
    }

    /// Its documents.
    pub fn run(&self) -> &RunStore {
        &self.run
    }

    /// What it made.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A table that it made; none of this name is `None`.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.manifest.tables.get(name)
    }

    /// The rows of a table, or those that a condition holds for.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if the run has no such table; else as [`read_rows`].
    pub async fn rows(
        &self,
        table: &str,
        condition: Option<Where<'_>>,
    ) -> Result<Vec<RecordBatch>, StepError> {
        let found = self.table(table).ok_or_else(|| {
            StepError::invalid(
                "table",
                format_args!(
                    "run {} has no {table}; {}",
                    self.manifest.run_id,
                    named("its tables", &nearest(table, self.manifest.tables.keys().map(String::as_str)))
                ),
            )
        })?;
        read_rows(self.run.store(), found, condition).await
    }
}

/// The rows of a table, or those that a condition holds for: of its files only the row groups are read that may
/// hold such rows. A file without any gives an empty batch, which has its columns.
///
/// # Errors
/// [`StepError::CountMismatch`] if a file is not there; [`StepError::CorruptArchive`] if it is no Parquet
/// file or lacks the column of the condition; else as [`Store::get`].
pub async fn read_rows(
    store: &Store,
    table: &Table,
    condition: Option<Where<'_>>,
) -> Result<Vec<RecordBatch>, StepError> {
    let mut rows = Vec::new();
    for key in table.keys() {
        let file = open(store, key).await?;
        rows.extend(file_rows(file, condition).await.map_err(|error| failed(store, key, error))?);
    }
    Ok(rows)
}

/// Gives the rows of a table's files to `each`, some at a time, of these columns only: what is too long for memory.
///
/// # Errors
/// The first of `each`; else as [`read_rows`].
pub async fn for_each_batch(
    store: &Store,
    keys: impl IntoIterator<Item = &str>,
    columns: &[&str],
    mut each: impl FnMut(&RecordBatch) -> Result<(), StepError>,
) -> Result<(), StepError> {
    for key in keys {
        let file = open(store, key).await?;
        let failed = |error| failed(store, key, error);
        let builder = ParquetRecordBatchStreamBuilder::new(file).await.map_err(failed)?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let mut batches = builder.with_projection(mask).build().map_err(failed)?;
        while let Some(batch) = batches.try_next().await.map_err(failed)? {
            each(&batch)?;
        }
    }
    Ok(())
}

async fn open(store: &Store, key: &str) -> Result<RangedFile, StepError> {
    let meta = store.head(key).await?.ok_or_else(|| {
        StepError::CountMismatch(format!(
            "{}: a table has this file, but it is not there; do the run again with `force`",
            store.uri_of(key)
        ))
    })?;
    RangedFile::new(store, key, meta.size)
}

async fn file_rows(
    file: RangedFile,
    condition: Option<Where<'_>>,
) -> parquet::errors::Result<Vec<RecordBatch>> {
    let mut builder = ParquetRecordBatchStreamBuilder::new(file).await?;
    if let Some(condition) = condition {
        let column = builder
            .schema()
            .index_of(condition.column)
            .map_err(|_| ParquetError::General(format!("it has no column {}", condition.column)))?;
        let metadata = builder.metadata().clone();
        let may_hold = |group: &usize| may_hold(metadata.row_group(*group), column, condition.is.as_bytes());
        let groups = (0..metadata.num_row_groups()).filter(may_hold).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), [column]);
        let value: Scalar<StringArray> = StringArray::new_scalar(condition.is);
        let predicate = ArrowPredicateFn::new(mask, move |batch| cmp::eq(batch.column(0), &value));
        builder = builder.with_row_groups(groups).with_row_filter(RowFilter::new(vec![Box::new(predicate)]));
    }
    let schema = builder.schema().clone();
    let rows: Vec<RecordBatch> = builder.build()?.try_collect().await?;
    Ok(if rows.is_empty() { vec![RecordBatch::new_empty(schema)] } else { rows })
}

/// Whether a row group may hold a value in this column, by the least and the greatest that its footer tells.
fn may_hold(group: &RowGroupMetaData, column: usize, value: &[u8]) -> bool {
    let statistics = group.column(column).statistics();
    let least = statistics.and_then(|found| found.min_bytes_opt());
    let greatest = statistics.and_then(|found| found.max_bytes_opt());
    least.is_none_or(|least| least <= value) && greatest.is_none_or(|greatest| value <= greatest)
}
