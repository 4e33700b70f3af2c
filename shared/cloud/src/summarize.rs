//! Merging what the workers counted into tables, closing the ledger, writing the manifest.

use std::collections::{BTreeMap, BTreeSet};

use bisonflow_contract::document::{
    Landing, Ledger, Manifest, NewInRun, Part, Plan, SourceKind, SubsetReport, Subsets, Table, TableFile,
    Tally,
};
use bisonflow_contract::drift::{Drift, DriftLimits};
use bisonflow_contract::layout::{ANNOTATED, OCCURRENCES};
use bisonflow_contract::publication::Comparability;
use bisonflow_contract::{StepError, document};
use bisonflow_region::{SigmaOf, SummaryConfig};
use bisonflow_summary::datasets::{DATASET_COUNTS, DatasetCounts};
use bisonflow_summary::earliest;
use bisonflow_summary::riis_matches::{RIIS_MATCHES, RiisMatches};
use bisonflow_summary::statistics::matrix_market::{self, Entries};
use bisonflow_summary::statistics::tables::sigma_table;
use bisonflow_summary::statistics::{self, Axis, MatrixBuilder, SiteSpeciesMatrix};
use bisonflow_summary::{Closing, Merger, SummaryError, check_datasets, check_matches, check_tables, close};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use tracing::info;

use crate::catalog::CatalogColumn;
use crate::count::{PartStores, read_row_groups};
use crate::drift::compare;
use crate::earliest::{NamesAndStatuses, write_earliest};
use crate::publications::{Baseline, baseline, comparability};
use crate::report::write_report;
use crate::{RunStore, Store, reference};

/// How many documents are read at a time.
const READS_AT_A_TIME: usize = 32;

/// What summarizing made.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The ledger; it adds up.
    pub ledger: Ledger,
    /// The annotated records.
    pub annotated: Table,
    /// The landed records; none where they are used in place.
    pub occurrences: Option<Table>,
    /// The summary tables.
    pub tables: Vec<SummaryTable>,
    /// With which runs it can be compared.
    pub comparability: Comparability,
    /// The run that it is compared with.
    pub baseline: Baseline,
    /// By summary, what is new in the run.
    pub new_in_run: BTreeMap<String, NewInRun>,
    /// What was asked for and could not be made, and why.
    pub notes: Vec<String>,
}

/// A summary table, written.
#[derive(Clone, Debug)]
pub struct SummaryTable {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub description: String,
    /// Its columns, for the catalogue.
    pub columns: Vec<CatalogColumn>,
    /// Its file.
    pub table: Table,
}

/// Summarizes a run whose subsets are all annotated: deletes what earlier generations left beyond them, closes
/// the ledger, and only when it adds up writes the summary tables and `ledger.json`. Doing it again writes the
/// same.
///
/// # Errors
/// [`StepError::CountMismatch`] if the report or the counts of a subset are missing or the ledger does not add
/// up; [`StepError::BadReferenceData`] if a summary cannot be made; else as [`Store::get`].
pub async fn summarize(store: &Store, plan: &Plan) -> Result<Summary, StepError> {
    let run = RunStore::new(store, &plan.run_id);
    let subsets = run.subsets().await?;
    if subsets.generation != plan.generation {
        return Err(StepError::Internal(format!(
            "{}: of generation {}, expected {}: the records have to be counted first",
            store.uri_of(&run.layout().subsets()),
            subsets.generation,
            plan.generation
        )));
    }
    let landing = run.landing().await?;
    let config = reference::layers_config(store, plan).await?;
    let comparability = comparability(plan, &landing, &config);
    let summaries = config.summaries;
    let baseline = baseline(store, &plan.run_id, &comparability).await?;
    delete_leftovers(&run, &subsets, &summaries).await?;

    let reports = read_reports(&run, &subsets).await?;
    let mut tally = Tally::default();
    for report in &reports {
        tally.add(&report.tally);
    }
    let annotated_rows = count_annotated(&run, &reports).await?;
    let ledger = close(&Closing {
        run_id: &plan.run_id,
        generation: plan.generation,
        checklist: plan.checklist.as_ref().unwrap_or(&landing.checklist),
        options: plan.options(),
        landing: &landing,
        tally: &tally,
        subsets: subsets.subsets.len() as u64,
        annotated_rows,
    })?;

    let (mut tables, mut notes, mut new_in_run) = (Vec::new(), Vec::new(), BTreeMap::new());
    for summary in &summaries {
        let (counted, known) =
            write_tables(&run, summary, reports.len(), tally.annotated, &mut notes).await?;
        tables.extend(counted);
        let spec = reference::summary_spec(summary);
        let (found, new) =
            write_earliest(&run, &spec, reports.len(), &known, &baseline, plan.run_year()).await?;
        tables.extend(found);
        new_in_run.insert(spec.name, new);
    }
    tables.push(write_matches(&run, reports.len(), &tally).await?);
    tables.push(write_datasets(&run, reports.len(), &tally).await?);
    delete_former_tables(&run, plan.generation, &tables).await?;
    run.write(&run.layout().ledger(), &ledger).await?;
    info!(run_id = %plan.run_id, tables = tables.len(), annotated = tally.annotated, "summarized");
    Ok(Summary {
        ledger,
        annotated: Table {
            prefix: run.layout().partition(ANNOTATED),
            rows: annotated_rows,
            files: reports.iter().map(|report| (&report.annotated_part).into()).collect(),
        },
        occurrences: occurrences(&run, &landing),
        tables,
        comparability,
        baseline,
        new_in_run,
        notes,
    })
}

/// A finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// What it made.
    pub manifest: Manifest,
    /// What changed against the run published before.
    pub drift: Drift,
}

/// Compares the run with the one published before, writes `drift.json` and `report.html`, then `manifest.json`, which
/// says that the run is finished; one that says the same is left as it is.
///
/// # Errors
/// As [`write_report`] and [`compare`].
pub async fn finish(
    store: &Store,
    plan: &Plan,
    summary: &Summary,
    notes: Vec<String>,
    limits: DriftLimits,
    now: Timestamp,
) -> Result<Finished, StepError> {
    let run = RunStore::new(store, &plan.run_id);
    let mut tables: BTreeMap<String, Table> =
        summary.tables.iter().map(|made| (made.name.clone(), made.table.clone())).collect();
    tables.insert(ANNOTATED.to_owned(), summary.annotated.clone());
    tables.extend(summary.occurrences.iter().map(|table| (OCCURRENCES.to_owned(), table.clone())));
    let manifest = Manifest {
        run_id: plan.run_id.clone(),
        generation: plan.generation,
        execution_arn: plan.execution_arn.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        finished_at: now,
        reference: plan.reference.clone(),
        comparability: Some(summary.comparability.clone()),
        tables,
        new_in_run: summary.new_in_run.clone(),
        notes: summary.notes.iter().cloned().chain(notes).collect(),
    };
    if let Some(before) = run.manifest().await?
        && before == (Manifest { finished_at: before.finished_at, ..manifest.clone() })
        && let Some(drift) = run.drift().await?.filter(|drift| drift.generation == plan.generation)
    {
        return Ok(Finished { manifest: before, drift });
    }
    let drift = compare(store, plan, summary, &manifest, limits).await?;
    run.write(&run.layout().drift(), &drift).await?;
    write_report(store, plan, summary, &manifest, &drift).await?;
    run.write(&run.layout().manifest(), &manifest).await?;
    store.delete([run.layout().withdrawn()]).await?;
    Ok(Finished { manifest, drift })
}

/// Deletes the annotated parts and partial counts that no current subset makes, and the reasons of failures
/// that have been overcome.
async fn delete_leftovers(
    run: &RunStore,
    subsets: &Subsets,
    summaries: &[SummaryConfig],
) -> Result<(), StepError> {
    let layout = run.layout();
    let mut current = BTreeSet::new();
    for subset in 0..subsets.subsets.len() {
        current.insert(layout.annotated_part(subset));
        current.insert(layout.subset_report(subset));
        let counted = summaries.iter().map(|summary| &*summary.name).chain([RIIS_MATCHES, DATASET_COUNTS]);
        current.extend(counted.map(|name| layout.partial(subset, name)));
        let earliest = summaries.iter().map(|summary| earliest::partial_name(&summary.name));
        current.extend(earliest.map(|name| layout.partial(subset, &name)));
    }
    current
        .extend(summaries.iter().filter_map(|summary| Some(layout.seen(&summary.name, summary.by.first()?))));
    let mut leftovers = Vec::new();
    for folder in [layout.partition(ANNOTATED), layout.partials_folder(), layout.seen_folder()] {
        let found = run.store().list(&folder).await?.into_iter().map(|meta| meta.location.to_string());
        leftovers.extend(found.filter(|key| !current.contains(key)));
    }
    if !leftovers.is_empty() {
        info!(files = leftovers.len(), first = leftovers[0], "deleting what no current subset made");
    }
    run.store().delete(leftovers).await
}

async fn read_reports(run: &RunStore, subsets: &Subsets) -> Result<Vec<SubsetReport>, StepError> {
    futures::stream::iter(subsets.subsets.iter().enumerate())
        .map(async |(index, subset)| {
            let uri = run.store().uri_of(&run.layout().subset_report(index));
            let report = run.subset_report(index).await?.ok_or_else(|| {
                StepError::CountMismatch(format!("{uri} is not there: subset {index} was not annotated"))
            })?;
            if report.generation != subsets.generation || report.subset != index {
                return Err(StepError::CountMismatch(format!(
                    "{uri} is of subset {}, generation {}; expected subset {index}, generation {}: it was not \
                     annotated",
                    report.subset, report.generation, subsets.generation
                )));
            }
            if report.tally.records != subset.records {
                return Err(StepError::CountMismatch(format!(
                    "{uri} says that {} records were put in, but subset {index} has {} by subsets.json",
                    report.tally.records, subset.records
                )));
            }
            Ok(report)
        })
        .buffered(READS_AT_A_TIME)
        .try_collect()
        .await
}

/// The rows of the annotated parts by their footers, each compared with its report.
async fn count_annotated(run: &RunStore, reports: &[SubsetReport]) -> Result<u64, StepError> {
    let folder = run.layout().partition(ANNOTATED);
    let found = run.store().list(&folder).await?;
    let lengths: BTreeMap<&str, u64> = found.iter().map(|meta| (meta.location.as_ref(), meta.size)).collect();
    for (index, report) in reports.iter().enumerate() {
        let Part { uri, bytes, .. } = &report.annotated_part;
        let found = lengths.get(uri.as_str());
        if *uri != run.layout().annotated_part(index) || found != Some(bytes) {
            let found = found.map_or("nothing".to_owned(), |bytes| format!("{bytes} bytes"));
            return Err(StepError::CountMismatch(format!(
                "{}: found {found}, but the report of subset {index} says {uri} with {bytes} bytes",
                run.store().uri_of(&run.layout().annotated_part(index)),
            )));
        }
    }
    let parts: Vec<Part> = reports.iter().map(|report| report.annotated_part.clone()).collect();
    let row_groups = read_row_groups(&PartStores::new(run.store(), []), &parts).await?;
    let mut rows = 0;
    for (report, groups) in reports.iter().zip(&row_groups) {
        let found: u64 = groups.iter().sum();
        if found != report.tally.annotated {
            return Err(StepError::CountMismatch(format!(
                "{} has {found} rows by its footer, but the report of subset {} says {} annotated",
                report.annotated_part.uri, report.subset, report.tally.annotated
            )));
        }
        rows += found;
    }
    Ok(rows)
}

/// Merges the partial counts of a summary, writes its tables, then the matrix of its species list and what is
/// computed from it.
async fn write_tables(
    run: &RunStore,
    summary: &SummaryConfig,
    subsets: usize,
    annotated: u64,
    notes: &mut Vec<String>,
) -> Result<(Vec<SummaryTable>, NamesAndStatuses), StepError> {
    let spec = reference::summary_spec(summary);
    let mut merger = Merger::new(spec.clone());
    merge_partials(run, subsets, &spec.name, |partial| merger.add_partial(partial)).await?;
    let merged = merger.merged()?;
    check_tables(annotated, &merged)?;
    let description = format!("Annotated occurrences, summarized by {}", spec.by.join(", "));
    let mut written = Vec::new();
    for table in merged.tables() {
        written.push(write_table(run, &table, &description).await?);
    }
    let mut matrix = MatrixBuilder::new(spec.clone(), summary.min_count);
    for rows in merged.species_list().batches() {
        matrix.add(&rows?)?;
    }
    let known = NamesAndStatuses { names: merged.names(), statuses: merged.statuses() };
    drop(merged);
    drop(merger); // the matrix needs its memory
    let matrix = matrix.finish();
    let statistics = matrix.statistics();
    let description = format!("Presence of species by {}", spec.by[0]);
    for table in statistics::tables::tables(&matrix, &statistics) {
        written.push(write_table(run, &table, &description).await?);
    }
    for of in &summary.sigma {
        let axis = match of {
            SigmaOf::Sites => Axis::Sites,
            SigmaOf::Species => Axis::Species,
        };
        // A run is not to fail in its last step over a table that is too large.
        match matrix.sigma(axis) {
            Ok(sigma) => {
                written.push(write_table(run, &sigma_table(&matrix, axis, &sigma), &description).await?)
            }
            Err(refused @ SummaryError::SigmaSize { .. }) => notes.push(refused.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    write_matrix(run, &matrix).await?;
    Ok((written, known))
}

/// Hands on what each subset counted under this name, in order.
pub(crate) async fn merge_partials(
    run: &RunStore,
    subsets: usize,
    name: &str,
    mut add: impl FnMut(Bytes) -> Result<(), SummaryError>,
) -> Result<(), StepError> {
    let mut partials = futures::stream::iter(0..subsets)
        .map(async |subset| {
            let key = run.layout().partial(subset, name);
            run.store().get(&key).await?.ok_or_else(|| {
                let uri = run.store().uri_of(&key);
                StepError::CountMismatch(format!("{uri} is not there: subset {subset} was not counted"))
            })
        })
        .buffered(READS_AT_A_TIME);
    while let Some(partial) = partials.next().await {
        add(partial?)?;
    }
    Ok(())
}

/// Which row of the register was given to which taxa.
async fn write_matches(run: &RunStore, subsets: usize, tally: &Tally) -> Result<SummaryTable, StepError> {
    let mut matches = RiisMatches::new();
    merge_partials(run, subsets, RIIS_MATCHES, |partial| matches.add_partial(partial)).await?;
    let rows = matches.rows();
    check_matches(tally, &rows)?;
    write_table(
        run,
        &rows.table(),
        "Which row of the register (RIIS) was given to which taxa, and by which key",
    )
    .await
}

/// How many records came from which dataset, and these figures as GBIF takes them for a citation.
async fn write_datasets(run: &RunStore, subsets: usize, tally: &Tally) -> Result<SummaryTable, StepError> {
    let mut datasets = DatasetCounts::new();
    merge_partials(run, subsets, DATASET_COUNTS, |partial| datasets.add_partial(partial)).await?;
    let rows = datasets.rows();
    check_datasets(tally, &rows)?;
    let derived = rows.derived_dataset();
    run.store().put(&run.layout().derived_dataset(), derived.into_bytes()).await?;
    write_table(run, &rows.table(), "Records by dataset, publisher and licence").await
}

/// Writes a table as Parquet and as CSV.
pub(crate) async fn write_table(
    run: &RunStore,
    table: &bisonflow_summary::SummaryTable<'_>,
    description: &str,
) -> Result<SummaryTable, StepError> {
    let key = run.layout().summary(&table.name);
    let parquet = table.to_parquet()?;
    let bytes = parquet.len() as u64;
    run.store().put(&key, parquet).await?;
    run.store().put_pieces(&run.layout().csv(&table.name), table.csv()).await?;
    let column = |column: &bisonflow_summary::SummaryColumn| {
        CatalogColumn::new(&column.name, column.glue_type.as_str(), &column.comment)
    };
    Ok(SummaryTable {
        name: table.name.clone(),
        description: description.to_owned(),
        columns: table.columns.iter().map(column).collect(),
        table: document::Table {
            prefix: run.layout().summary_partition(&table.name),
            rows: table.rows() as u64,
            files: vec![TableFile { key, bytes: Some(bytes) }],
        },
    })
}

/// Writes a matrix for programs other than databases: MatrixMarket, and what its rows and columns are.
async fn write_matrix(run: &RunStore, matrix: &SiteSpeciesMatrix) -> Result<(), StepError> {
    let name = &matrix.spec().name;
    for entries in [Entries::Counts, Entries::Presence] {
        let key = run.layout().statistics(name, &format!("{name}_{}.mtx", entries.as_str()));
        let pieces = matrix_market::pieces(matrix, entries).map(Ok::<_, StepError>);
        run.store().put_pieces(&key, pieces).await?;
    }
    for labels in [statistics::tables::row_labels(matrix), statistics::tables::column_labels(matrix)] {
        let key = run.layout().statistics(name, &format!("{}.csv", labels.name));
        run.store().put_pieces(&key, labels.csv()).await?;
    }
    Ok(())
}

/// Deletes the tables that an earlier generation made and this one does not.
async fn delete_former_tables(
    run: &RunStore,
    generation: u32,
    tables: &[SummaryTable],
) -> Result<(), StepError> {
    let former: Option<Manifest> = run.read(&run.layout().withdrawn()).await?;
    let Some(before) = former.filter(|before| before.generation < generation) else {
        return Ok(());
    };
    let is_made =
        |name: &str| [ANNOTATED, OCCURRENCES].contains(&name) || tables.iter().any(|made| made.name == name);
    let former = before.tables.iter().filter(|(name, _)| !is_made(name));
    let keys = former
        .clone()
        .flat_map(|(name, table)| table.keys().map(str::to_owned).chain([run.layout().csv(name)]));
    let mut keys: Vec<String> = keys.collect();
    for summary in former.filter_map(|(name, _)| statistics::tables::summary_of(name)) {
        let found = run.store().list(&run.layout().statistics(summary, "")).await?;
        keys.extend(found.into_iter().map(|meta| meta.location.to_string()));
    }
    run.store().delete(keys).await
}

fn occurrences(run: &RunStore, landing: &Landing) -> Option<Table> {
    (landing.source.kind != SourceKind::Snapshot).then(|| Table {
        prefix: run.layout().partition(OCCURRENCES),
        rows: landing.records.landed,
        files: landing.parts.iter().map(TableFile::from).collect(),
    })
}
