//! The workflow steps `SummarizeRun`, which merges the partial counts, closes the ledger and compares the run with the
//! one published before; `AwaitApproval`, which keeps the token of a held run; `CheckPublished` and `PublishRun`.

mod settings;

use bisonflow_cloud::catalog::{Catalog, TableSpec, merge_table};
use bisonflow_cloud::publications::publications;
use bisonflow_cloud::publish::Publisher;
use bisonflow_cloud::summarize::{SummaryTable, finish, summarize};
use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::document::{AwaitedApproval, Ledger, Manifest, Plan, SourceKind};
use bisonflow_contract::drift::Drift;
use bisonflow_contract::layout::{ANNOTATED, OCCURRENCES};
use bisonflow_contract::summarize_run::{Action, Answer, Checked, Published, Request, Response};
use bisonflow_contract::{RunId, StepError};
use bisonflow_summary::ledger_line;
use jiff::Timestamp;

pub use settings::Settings;

/// The environment variables that the function reads.
pub const ENV: &[&str] = &[
    "BUCKET",
    "GLUE_DATABASE",
    "DRIFT_WARN_PERCENT",
    "DRIFT_HOLD_PERCENT",
    "HOLD_FOR_APPROVAL",
    "KEEP_RUNS",
];
/// The IAM actions that it needs.
pub const ACTIONS: &[&str] = &[
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListBucket",
    "s3:PutObject",
    "s3:DeleteObject",
    "glue:GetTable",
    "glue:GetTables",
    "glue:CreateTable",
    "glue:UpdateTable",
    "glue:DeleteTable",
    "glue:GetPartition",
    "glue:CreatePartition",
    "glue:UpdatePartition",
    "glue:DeletePartition",
];

/// What the step works with.
pub struct SummarizeRun<C> {
    /// The data bucket.
    pub store: Store,
    /// The tables.
    pub catalog: C,
    /// What the stack decides.
    pub settings: Settings,
}

impl<C: Catalog> SummarizeRun<C> {
    /// Summarizes, holds, looks after or publishes a run; asking twice gives the same.
    ///
    /// # Errors
    /// [`StepError::RunTakenOver`] if another execution holds the run; else as [`summarize`], [`Publisher::publish`]
    /// and [`Catalog::table`].
    pub async fn handle(&self, request: Request, now: Timestamp) -> Result<Answer, StepError> {
        let run = RunStore::new(&self.store, &request.run.run_id);
        let plan = run.check_owner(&request.run).await?;
        match (request.action, request.task_token) {
            (Action::Start, _) => {
                self.summarize(&run, &plan, now).await.map(|response| Answer::Summarized(Box::new(response)))
            }
            (Action::Hold, Some(task_token)) if !task_token.is_empty() => {
                let awaited = AwaitedApproval { run: request.run, task_token };
                run.write(&run.layout().approval(), &awaited).await?;
                Ok(Answer::Held {})
            }
            (Action::Hold, _) => {
                Err(StepError::invalid("task_token", "missing; hold needs the token to answer with"))
            }
            (Action::Check, _) => {
                let published = publications(&self.store).await?.has(&plan.run_id, plan.generation);
                delete_control_documents(&run).await?;
                Ok(Answer::Checked(Checked { published }))
            }
            (Action::Publish, _) => self.publish(&run, &plan, now).await.map(Answer::Published),
        }
    }

    /// Summarizes a run whose subsets are all annotated and registers its partitions.
    async fn summarize(&self, run: &RunStore, plan: &Plan, now: Timestamp) -> Result<Response, StepError> {
        if let Some(manifest) = run.manifest().await?.filter(|found| found.generation == plan.generation) {
            let drift = run.drift().await?.filter(|drift| drift.generation == plan.generation);
            let response = self.response(run, run.ledger().await?, &manifest, drift.as_ref());
            return self.with_what_is_shown(plan, response).await;
        }
        let summary = summarize(&self.store, plan).await?;
        self.register(plan, &summary.tables).await?;
        let notes = self.notes(&plan.run_id, &summary.ledger).await?;
        delete_control_documents(run).await?;
        let limits = self.settings.limits;
        let finished = finish(&self.store, plan, &summary, notes, limits, now).await?;
        let response = self.response(run, summary.ledger, &finished.manifest, Some(&finished.drift));
        self.with_what_is_shown(plan, response).await
    }

    /// Of a held run that `force` did again while it was the latest, that its files are shown already: whoever decides
    /// has to know.
    async fn with_what_is_shown(&self, plan: &Plan, response: Response) -> Result<Response, StepError> {
        if !response.hold {
            return Ok(response);
        }
        let latest = publications(&self.store).await?.current;
        let before = latest.filter(|one| one.run_id == plan.run_id && one.generation != plan.generation);
        let Some(before) = before else { return Ok(response) };
        let drift = format!(
            "{} Note that the tables named latest show it already: `force` wrote over the files of generation {} of \
             this run, which is the one published; `bisonflow rollback` to another run takes them away from it.",
            response.drift, before.generation
        );
        Ok(Response { drift, ..response })
    }

    async fn publish(&self, run: &RunStore, plan: &Plan, now: Timestamp) -> Result<Published, StepError> {
        let manifest = run.manifest().await?.filter(|manifest| manifest.generation == plan.generation);
        let manifest = manifest.ok_or_else(|| {
            StepError::Internal(format!(
                "run {} of generation {} is not finished: SummarizeRun has to come first",
                plan.run_id, plan.generation
            ))
        })?;
        let publisher = Publisher { store: &self.store, catalog: Some(&self.catalog) };
        let flipped = publisher.publish_once(&manifest, self.settings.keep_runs, now).await?;
        delete_control_documents(run).await?;
        Ok(Published { tables: flipped.tables.len() as u64, deleted_runs: flipped.deleted.len() as u64 })
    }

    /// Creates or completes the tables, then the partitions of the run.
    async fn register(&self, plan: &Plan, tables: &[SummaryTable]) -> Result<(), StepError> {
        let store = &self.store;
        for table in tables {
            let spec = TableSpec {
                name: table.name.clone(),
                description: table.description.clone(),
                location: store.uri_of(&format!("summaries/{}/", table.name)),
                columns: table.columns.clone(),
            };
            merge_table(&self.catalog, &spec).await?;
        }
        let layout = RunStore::new(store, &plan.run_id).layout().clone();
        let summaries = tables.iter().map(|table| (table.name.as_str(), table.table.prefix.clone()));
        for (table, prefix) in [(ANNOTATED, layout.partition(ANNOTATED))].into_iter().chain(summaries) {
            self.catalog.create_partition(table, &plan.run_id, &store.uri_of(&prefix)).await?;
        }
        Ok(())
    }

    /// What a reader of the manifest should know.
    async fn notes(&self, run_id: &RunId, ledger: &Ledger) -> Result<Vec<String>, StepError> {
        let is_snapshot = ledger.source.kind == SourceKind::Snapshot;
        if is_snapshot && self.catalog.partition(OCCURRENCES, run_id).await?.is_none() {
            return Ok(vec![format!(
                "the snapshot is not registered in the table occurrences: its files' types differ from the table's; \
                 it is read in place from {}",
                ledger.source.uri
            )]);
        }
        Ok(Vec::new())
    }

    fn response(
        &self,
        run: &RunStore,
        ledger: Ledger,
        manifest: &Manifest,
        drift: Option<&Drift>,
    ) -> Response {
        let told: Vec<String> = manifest.new_in_run.iter().map(|(summary, new)| new.told(summary)).collect();
        let uri_of = |key: &str| run.store().uri_of(key);
        let csv = run.layout().csv("");
        let csv_folder = csv.rsplit_once('/').map_or("", |(folder, _)| folder);
        Response {
            ledger_line: ledger_line(&ledger),
            new_in_run: told.join("\n"),
            drift: drift.map_or("Not compared, because drift.json is not there.".to_owned(), Drift::sentence),
            hold: self.settings.hold_for_approval && drift.is_some_and(Drift::is_held),
            root: run.store().uri().to_owned(),
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
}

/// They hold the tokens of tasks, which are of no use any more.
async fn delete_control_documents(run: &RunStore) -> Result<(), StepError> {
    let found = run.store().list(&run.layout().control_folder()).await?;
    run.store().delete(found.into_iter().map(|meta| meta.location.to_string())).await
}
