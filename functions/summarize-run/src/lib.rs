//! The workflow step `SummarizeRun`: merges the partial counts, closes the ledger, publishes the tables.

use bisonflow_cloud::catalog::{Catalog, TableSpec, merge_table};
use bisonflow_cloud::summarize::{SummaryTable, finish, summarize};
use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::document::{Ledger, Plan, SourceKind};
use bisonflow_contract::layout::{ANNOTATED, OCCURRENCES};
use bisonflow_contract::summarize_run::{Request, Response};
use bisonflow_contract::{RunId, StepError};
use bisonflow_summary::ledger_line;
use jiff::Timestamp;

/// The environment variables that the function reads.
pub const ENV: &[&str] = &["BUCKET", "GLUE_DATABASE"];
/// The IAM actions that it needs.
pub const ACTIONS: &[&str] = &[
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListBucket",
    "s3:PutObject",
    "s3:DeleteObject",
    "glue:GetTable",
    "glue:CreateTable",
    "glue:UpdateTable",
    "glue:GetPartition",
    "glue:CreatePartition",
    "glue:UpdatePartition",
];

/// Summarizes and publishes a run whose subsets are all annotated; asking twice gives the same.
///
/// # Errors
/// [`StepError::RunTakenOver`] if another execution holds the run; [`StepError::CountMismatch`] if the ledger
/// does not add up, and then nothing is published; else as [`summarize`] and [`Catalog::table`].
pub async fn handle(
    store: &Store,
    catalog: &dyn Catalog,
    request: Request,
    now: Timestamp,
) -> Result<Response, StepError> {
    let run = RunStore::new(store, &request.run.run_id);
    let plan = run.check_owner(&request.run).await?;
    if run.manifest().await?.is_some_and(|manifest| manifest.generation == plan.generation) {
        return Ok(response(&run, run.ledger().await?));
    }
    let summary = summarize(store, &plan).await?;
    publish(store, catalog, &plan, &summary.tables).await?;
    let notes = notes(catalog, &plan.run_id, &summary.ledger).await?;
    delete_control_documents(&run).await?;
    finish(store, &plan, &summary, notes, now).await?;
    Ok(response(&run, summary.ledger))
}

/// Creates or completes the tables, then the partitions of the run.
async fn publish(
    store: &Store,
    catalog: &dyn Catalog,
    plan: &Plan,
    tables: &[SummaryTable],
) -> Result<(), StepError> {
    for table in tables {
        let spec = TableSpec {
            name: table.name.clone(),
            description: table.description.clone(),
            location: store.uri_of(&format!("summaries/{}/", table.name)),
            columns: table.columns.clone(),
        };
        merge_table(catalog, &spec).await?;
    }
    let layout = RunStore::new(store, &plan.run_id).layout().clone();
    let summaries = tables.iter().map(|table| (table.name.as_str(), table.table.prefix.clone()));
    for (table, prefix) in [(ANNOTATED, layout.partition(ANNOTATED))].into_iter().chain(summaries) {
        catalog.create_partition(table, &plan.run_id, &store.uri_of(&prefix)).await?;
    }
    Ok(())
}

/// What a reader of the manifest should know.
async fn notes(catalog: &dyn Catalog, run_id: &RunId, ledger: &Ledger) -> Result<Vec<String>, StepError> {
    let is_snapshot = ledger.source.kind == SourceKind::Snapshot;
    if is_snapshot && catalog.partition(OCCURRENCES, run_id).await?.is_none() {
        return Ok(vec![format!(
            "the snapshot is not registered in the table occurrences: its files' types differ from the table's; \
             it is read in place from {}",
            ledger.source.uri
        )]);
    }
    Ok(Vec::new())
}

/// They hold the tokens of tasks, which are of no use any more.
async fn delete_control_documents(run: &RunStore) -> Result<(), StepError> {
    let found = run.store().list(&run.layout().control_folder()).await?;
    run.store().delete(found.into_iter().map(|meta| meta.location.to_string())).await
}

fn response(run: &RunStore, ledger: Ledger) -> Response {
    let uri_of = |key: &str| run.store().uri_of(key);
    let csv = run.layout().csv("");
    let csv_folder = csv.rsplit_once('/').map_or("", |(folder, _)| folder);
    Response {
        ledger_line: ledger_line(&ledger),
        report: uri_of(&run.layout().report()),
        manifest: uri_of(&run.layout().manifest()),
        annotated_location: uri_of(&run.layout().partition(ANNOTATED)),
        csv_location: uri_of(&format!("{csv_folder}/")),
        read: ledger.records.read,
        rejected: ledger.records.rejected,
        filtered: ledger.records.filtered.values().sum(),
        annotated: ledger.records.annotated,
        run_id: ledger.run_id,
        layers: ledger.layers,
        riis: ledger.riis,
    }
}
