use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use bisonflow_cloud::aws::glue;
use bisonflow_cloud::catalog::MemoryCatalog;
use bisonflow_contract::{ErrorName, RunRef};
use parquet::arrow::ArrowWriter;
use serde_json::json;

use super::*;

const PART: &str = "occurrences/run=gbif-1/part-00000.parquet";
const LOCATION: &str = "s3://memory/occurrences/run=gbif-1/";
const SNAPSHOT_PART: &str = "occurrence/2026-07-01/occurrence.parquet/000000";
const LANDED_AT: &str = "2026-09-02T05:00:00Z";
const BEFORE: &str = "2026-09-02T04:59:59Z";
const AFTER: &str = "2026-09-02T05:00:01Z";

async fn step(kind: &str, parts: serde_json::Value) -> StartCrawler<MemoryCatalog> {
    let store = Store::memory();
    let pin = json!({"uri": "default:layers.toml", "version_id": null, "sha256": "", "bytes": 0});
    let plan = json!({
        "run_id": "gbif-1", "generation": 1, "execution_arn": "arn:ours",
        "planned_at": "2026-09-02T04:11:07Z", "input": {"source": "s3://data/uploads/a.zip"},
        "source_identity": null, "checklist": null,
        "reference": {"layers_toml": pin, "layer_sources": {}, "riis": null},
    });
    let source = json!({
        "kind": kind, "uri": "s3://data/uploads/a.zip", "bytes": 1, "entry_sha256": null,
        "entry_crc32": null, "sha256": null, "etag": null, "doi": null, "records_declared": null,
    });
    let landing = json!({
        "run_id": "gbif-1", "generation": 1, "source": source, "source_identity": null,
        "checklist": "backbone", "extra_columns": [], "row_group_records": 1000,
        "records": {"read": 1, "ragged": 0, "rejected": 0, "landed": 1}, "unparsed": {},
        "geospatial_issue_differs": 0, "taxon_keys": {"numeric": 1, "other": 0, "none": 0},
        "parts": parts, "landed_at": LANDED_AT,
    });
    store.put("runs/run=gbif-1/plan.json", plan.to_string()).await.unwrap();
    store.put("runs/run=gbif-1/landing.json", landing.to_string()).await.unwrap();
    store.put(PART, "Parquet").await.unwrap();
    let catalog = MemoryCatalog::new();
    StartCrawler { store, gbif: Store::memory(), catalog, crawler: "crawler".into() }
}

async fn landed() -> StartCrawler<MemoryCatalog> {
    step("dwca", json!([{"uri": PART, "records": 1, "bytes": 7}])).await
}

fn request(action: CheckAction) -> Request {
    let run = RunRef { run_id: "gbif-1".parse().unwrap(), generation: 1, execution_arn: "arn:ours".into() };
    Request { action, run, turns: 4 }
}

fn ready(outcome: CrawlOutcome, started_at: &str) -> CrawlerStatus {
    let message = Some("what the crawler says".to_owned());
    let last_crawl = Some(LastCrawl { outcome, started_at: started_at.parse().unwrap(), message });
    CrawlerStatus { state: CrawlerState::Ready, running_since: None, last_crawl }
}

fn busy(state: CrawlerState, since: Option<&str>) -> CrawlerStatus {
    let running_since = since.map(|since| since.parse().unwrap());
    CrawlerStatus { state, running_since, last_crawl: None }
}

fn never_run() -> CrawlerStatus {
    busy(CrawlerState::Ready, None)
}

/// Asks a step whose catalogue is in this state; answers the state or error name, and how many crawls started.
async fn ask(
    action: CheckAction,
    status: CrawlerStatus,
    partition: Option<&str>,
) -> (Result<CrawlState, ErrorName>, usize) {
    let step = landed().await;
    step.catalog.state().crawler = Some(status);
    let key = ("occurrences".to_owned(), "gbif-1".to_owned());
    step.catalog.state().partitions.extend(partition.map(|location| (key, location.to_owned())));
    let answer = step.handle(request(action)).await;
    let started = step.catalog.state().crawls_started;
    (answer.map(|response| response.state).map_err(|error| error.name()), started)
}

#[test]
fn asks_for_what_it_calls_and_no_more() {
    let mut called =
        [glue::CRAWL, glue::READ_PARTITION, glue::CREATE_PARTITION, &["glue:CreateTable"]].concat();
    let mut asked = ACTIONS[2..].to_vec();
    called.sort_unstable();
    asked.sort_unstable();
    assert_eq!(asked, called);
}

#[tokio::test]
async fn start_believes_joins_waits_or_crawls() {
    use CrawlOutcome::{Failed, Succeeded};
    use CrawlerState::{Running, Stopping};
    let elsewhere = "s3://other/occurrences/run=gbif-1/";
    for (status, partition, expected, started) in [
        (never_run(), None, Ok(CrawlState::Running), 1),
        (ready(Succeeded, AFTER), Some(LOCATION), Ok(CrawlState::Done), 0),
        (ready(Succeeded, AFTER), Some(LOCATION.trim_end_matches('/')), Ok(CrawlState::Done), 0),
        (ready(Succeeded, AFTER), Some(elsewhere), Ok(CrawlState::Running), 1),
        (ready(Succeeded, AFTER), None, Ok(CrawlState::Running), 1),
        (ready(Succeeded, BEFORE), Some(LOCATION), Ok(CrawlState::Running), 1),
        (ready(Succeeded, LANDED_AT), Some(LOCATION), Ok(CrawlState::Running), 1),
        (ready(Failed, AFTER), Some(LOCATION), Ok(CrawlState::Running), 1),
        (busy(Running, Some(AFTER)), None, Ok(CrawlState::Running), 0),
        (busy(Running, Some(BEFORE)), None, Err(ErrorName::CrawlerBusy), 0),
        (busy(Running, None), None, Err(ErrorName::CrawlerBusy), 0),
        (busy(Stopping, None), None, Err(ErrorName::CrawlerBusy), 0),
    ] {
        let told = format!("{status:?} {partition:?}");
        assert_eq!(ask(CheckAction::Start, status, partition).await, (expected, started), "{told}");
    }
}

#[tokio::test]
async fn check_believes_only_a_crawl_that_saw_the_data_and_left_the_partition() {
    use CrawlOutcome::{Cancelled, Failed, Succeeded};
    use CrawlerState::{Running, Stopping};
    for (status, partition, expected, started) in [
        (busy(Running, Some(AFTER)), None, Ok(CrawlState::Running), 0),
        (busy(Stopping, None), None, Ok(CrawlState::Running), 0),
        (never_run(), None, Ok(CrawlState::Running), 1),
        (ready(Succeeded, BEFORE), Some(LOCATION), Ok(CrawlState::Running), 1),
        (ready(Succeeded, AFTER), Some(LOCATION), Ok(CrawlState::Done), 0),
        (ready(Succeeded, AFTER), Some("s3://other/x/"), Err(ErrorName::CrawlFailed), 0),
        (ready(Succeeded, AFTER), None, Err(ErrorName::CrawlFailed), 0),
        (ready(Failed, AFTER), Some(LOCATION), Err(ErrorName::CrawlFailed), 0),
        (ready(Cancelled, AFTER), None, Err(ErrorName::CrawlFailed), 0),
    ] {
        let told = format!("{status:?} {partition:?}");
        assert_eq!(ask(CheckAction::Check, status, partition).await, (expected, started), "{told}");
    }
}

#[tokio::test]
async fn the_error_says_what_the_crawler_said_and_check_counts_its_turns() {
    let step = landed().await;
    step.catalog.state().crawler = Some(ready(CrawlOutcome::Failed, AFTER));
    let error = step.handle(request(CheckAction::Check)).await.unwrap_err().to_string();
    assert!(error.contains("what the crawler says") && error.contains(LOCATION), "{error}");
    assert_eq!(step.handle(request(CheckAction::Start)).await.unwrap().turns, 4);
    assert_eq!(step.handle(request(CheckAction::Check)).await.unwrap().turns, 5);
}

#[tokio::test]
async fn an_empty_prefix_is_never_crawled() {
    let step = landed().await;
    step.store.delete([PART.to_owned()]).await.unwrap();
    let error = step.handle(request(CheckAction::Start)).await.unwrap_err();
    assert_eq!((error.name(), step.catalog.state().crawls_started), (ErrorName::CrawlFailed, 0));
}

#[tokio::test]
async fn an_execution_that_lost_the_run_stops() {
    let step = landed().await;
    for action in [CheckAction::Start, CheckAction::Check] {
        let mut request = request(action);
        request.run.generation = 2;
        assert_eq!(step.handle(request).await.unwrap_err().name(), ErrorName::RunTakenOver);
    }
    assert_eq!(step.catalog.state().crawls_started, 0);
}

/// A snapshot of one file with these columns, and its step.
async fn snapshot(columns: Vec<(&str, ArrayRef)>) -> StartCrawler<MemoryCatalog> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut content = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut content, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let uri = format!("s3://memory/{SNAPSHOT_PART}");
    let parts = json!([{"uri": uri, "records": null, "bytes": content.len()}]);
    let step = step("snapshot", parts).await;
    step.gbif.put(SNAPSHOT_PART, content).await.unwrap();
    step
}

#[tokio::test]
async fn a_snapshot_is_registered_in_place_unless_its_types_are_older() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let place = "s3://memory/occurrence/2026-07-01/occurrence.parquet/";
    for (gbif_id, registered) in [(text.clone(), Some(place)), (number, None)] {
        let step = snapshot(vec![("gbifid", gbif_id), ("Locality", text.clone())]).await;
        for action in [CheckAction::Start, CheckAction::Check] {
            assert_eq!(step.handle(request(action)).await.unwrap().state, CrawlState::Done);
        }
        let run = "gbif-1".parse().unwrap();
        assert_eq!(step.catalog.partition("occurrences", &run).await.unwrap().as_deref(), registered);
        let state = step.catalog.state();
        assert_eq!((state.tables["occurrences"].columns.len(), state.crawls_started), (53, 0));
        assert_eq!(state.tables["occurrences"].location, "s3://memory/occurrences/");
    }
}

#[tokio::test]
async fn a_snapshot_that_is_no_parquet_is_named() {
    let uri = format!("s3://memory/{SNAPSHOT_PART}");
    let step = step("snapshot", json!([{"uri": uri, "records": null, "bytes": 20}])).await;
    step.gbif.put(SNAPSHOT_PART, "twenty bytes of text").await.unwrap();
    let error = step.handle(request(CheckAction::Start)).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::CrawlFailed);
}
