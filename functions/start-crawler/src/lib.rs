//! The workflow step `StartCrawler`: brings the landed data into the Glue database.
//!
//! READY alone says nothing: a crawl is believed only if it succeeded, started after the data landed, and left
//! the run's partition at the right location. A snapshot is not crawled: its partition points into GBIF's
//! bucket.

mod column_types;

use bisonflow_cloud::catalog::{
    Catalog, CatalogColumn, CrawlOutcome, CrawlStart, CrawlerState, CrawlerStatus, LastCrawl, TableSpec,
};
use bisonflow_cloud::count::PartStores;
use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::document::{Landing, SourceKind};
use bisonflow_contract::layout::OCCURRENCES;
use bisonflow_contract::start_crawler::{CrawlState, Request, Response};
use bisonflow_contract::{CheckAction, RunId, StepError};
use bisonflow_occurrence::schema;
use tracing::{info, warn};

use column_types::column_types;

/// The environment variables that the function reads.
pub const ENV: &[&str] = &["BUCKET", "GLUE_DATABASE", "CRAWLER_NAME", "GBIF_BUCKET"];
/// The IAM actions that it needs.
pub const ACTIONS: &[&str] = &[
    "s3:GetObject",
    "s3:ListBucket",
    "glue:GetCrawler",
    "glue:StartCrawler",
    "glue:GetPartition",
    "glue:GetTable",
    "glue:CreateTable",
    "glue:CreatePartition",
    "glue:UpdatePartition",
];

/// What the step works with.
pub struct StartCrawler<C> {
    /// The data bucket.
    pub store: Store,
    /// The bucket with GBIF's snapshots.
    pub gbif: Store,
    /// The database.
    pub catalog: C,
    /// The crawler's name.
    pub crawler: String,
}

impl<C: Catalog> StartCrawler<C> {
    /// Starts the crawl, or joins one that will see the data; or says how it is going.
    ///
    /// # Errors
    /// [`StepError::CrawlerBusy`] if a crawl that may have missed the data is under way;
    /// [`StepError::CrawlFailed`] if nothing lies there to crawl, or the crawl ended without the partition;
    /// [`StepError::RunTakenOver`]; else as the ports.
    pub async fn handle(&self, request: Request) -> Result<Response, StepError> {
        let run = RunStore::new(&self.store, &request.run.run_id);
        run.check_owner(&request.run).await?;
        let landing = run.landing().await?;
        let state = match (landing.source.kind, request.action) {
            (SourceKind::Snapshot, _) => self.register(&request.run.run_id, &landing).await?,
            (_, CheckAction::Start) => self.start(&run, &landing).await?,
            (_, CheckAction::Check) => self.check(&run, &landing).await?,
        };
        let turns = match request.action {
            CheckAction::Start => request.turns,
            CheckAction::Check => request.turns.saturating_add(1),
        };
        Ok(Response { state, turns })
    }

    async fn start(&self, run: &RunStore, landing: &Landing) -> Result<CrawlState, StepError> {
        let prefix = run.layout().partition(OCCURRENCES);
        if self.store.list(&prefix).await?.is_empty() {
            return Err(StepError::CrawlFailed(format!(
                "nothing lies under {}, though landing.json says that it landed; run again with options.force",
                self.store.uri_of(&prefix)
            )));
        }
        let status = self.catalog.crawler(&self.crawler).await?;
        match status.state {
            CrawlerState::Ready => {
                let believed = crawl_since(&status, landing)
                    .is_some_and(|crawl| crawl.outcome == CrawlOutcome::Succeeded);
                if believed && self.has_partition(run, landing).await? {
                    return Ok(CrawlState::Done);
                }
                match self.catalog.start_crawler(&self.crawler).await? {
                    CrawlStart::Started => Ok(CrawlState::Running),
                    CrawlStart::AlreadyRunning => Err(self.busy()),
                }
            }
            CrawlerState::Running if status.running_since.is_some_and(|since| since > landing.landed_at) => {
                info!("joined the crawl that is under way");
                Ok(CrawlState::Running)
            }
            CrawlerState::Running | CrawlerState::Stopping => Err(self.busy()),
        }
    }

    async fn check(&self, run: &RunStore, landing: &Landing) -> Result<CrawlState, StepError> {
        let status = self.catalog.crawler(&self.crawler).await?;
        if status.state != CrawlerState::Ready {
            return Ok(CrawlState::Running);
        }
        let Some(crawl) = crawl_since(&status, landing) else {
            // The crawl that was waited for may have missed the data; if another one starts now, it will not.
            self.catalog.start_crawler(&self.crawler).await?;
            return Ok(CrawlState::Running);
        };
        let said = crawl.message.as_deref().unwrap_or("no message");
        match crawl.outcome {
            CrawlOutcome::Succeeded if self.has_partition(run, landing).await? => Ok(CrawlState::Done),
            CrawlOutcome::Succeeded => Err(self.failed(
                run,
                &format!("succeeded, but left no partition there; its log names incompatible files ({said})"),
            )),
            CrawlOutcome::Failed => Err(self.failed(run, &format!("failed: {said}"))),
            CrawlOutcome::Cancelled => Err(self.failed(run, &format!("was stopped: {said}"))),
        }
    }

    fn busy(&self) -> StepError {
        StepError::CrawlerBusy(format!(
            "crawler {}: at work since before this run's data landed; wait until it is done",
            self.crawler
        ))
    }

    fn failed(&self, run: &RunStore, why: &str) -> StepError {
        let prefix = run.layout().partition(OCCURRENCES);
        StepError::CrawlFailed(format!(
            "crawler {} over {}: {why}. Mend the cause, then start the run again",
            self.crawler,
            self.store.uri_of(&prefix)
        ))
    }

    /// Whether the run's partition exists where the data lies.
    async fn has_partition(&self, run: &RunStore, landing: &Landing) -> Result<bool, StepError> {
        let expected = self.store.uri_of(&run.layout().partition(OCCURRENCES));
        let found = self.catalog.partition(OCCURRENCES, &landing.run_id).await?;
        if let Some(found) = found.as_deref().filter(|found| !same_location(found, &expected)) {
            warn!(found, expected, "the partition is elsewhere");
        }
        Ok(found.is_some_and(|found| same_location(&found, &expected)))
    }

    /// Points the run's partition into GBIF's bucket, if the snapshot's types are the table's. An older one
    /// that differs is annotated all the same, and the manifest says that it is not registered.
    async fn register(&self, run_id: &RunId, landing: &Landing) -> Result<CrawlState, StepError> {
        let stores = PartStores::new(&self.store, [self.gbif.clone()]);
        let Some(part) = landing.parts.first() else {
            return Err(StepError::CrawlFailed(format!("snapshot {}: has no files", landing.source.uri)));
        };
        let (store, key) = stores.locate(&part.uri)?;
        let types = column_types(store, key, part.bytes).await?;

        let columns = schema::columns().iter();
        let spec = TableSpec {
            name: OCCURRENCES.into(),
            description: "Landed GBIF occurrence records, one partition per run".into(),
            location: format!("{}/{OCCURRENCES}/", self.store.uri()),
            columns: columns
                .map(|column| CatalogColumn::new(column.name, column.kind.glue_type(), column.comment))
                .collect(),
        };
        self.catalog.create_table(&spec).await?;
        let table = self.catalog.table(OCCURRENCES).await?.ok_or_else(|| {
            StepError::TableConflict("table occurrences: deleted while a snapshot was registered".into())
        })?;
        let differing = table.columns.iter().find_map(|column| {
            let found = types.get(&column.name)?;
            (*found != column.glue_type).then_some((&column.name, found, &column.glue_type))
        });
        if let Some((column, found, expected)) = differing {
            warn!(column, found, expected, "the snapshot's types are not the table's: not registered");
            return Ok(CrawlState::Done);
        }
        let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.catalog.create_partition(OCCURRENCES, run_id, &format!("{}/", store.uri_of(folder))).await?;
        Ok(CrawlState::Done)
    }
}

/// The last crawl, if it started after the data landed.
fn crawl_since<'a>(status: &'a CrawlerStatus, landing: &Landing) -> Option<&'a LastCrawl> {
    status.last_crawl.as_ref().filter(|crawl| crawl.started_at > landing.landed_at)
}

fn same_location(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

#[cfg(test)]
mod tests;
