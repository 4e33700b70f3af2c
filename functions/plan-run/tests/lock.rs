//! Who gets the run, and what of an earlier one is kept.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bisonflow_cloud::executions::{ExecutionStatus, Executions};
use bisonflow_cloud::gbif_download::GbifDownloads;
use bisonflow_cloud::run_store::to_json;
use bisonflow_cloud::secrets::MemorySecrets;
use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::document::{Landing, Manifest, Part, Plan};
use bisonflow_contract::input::SourceUri;
use bisonflow_contract::plan_run::{Landing as How, Request, Response};
use bisonflow_contract::{RunId, StepError};
use jiff::Timestamp;
use plan_run::PlanRun;
use plan_run::request::{DownloadRequests, NO_SECRET};
use plan_run::source::{SourceStat, Sources};
use serde_json::{Value, json};
use tokio::sync::Barrier;

const LAYERS: &str = r#"
riis_region_from = "square_state"
[[layer]]
name = "square"
source = "squares.geojson"
vintage = "2020"
scale = "1:500k"
id = "ID"
fields = { square_id = "ID", square_state = "STUSPS" }
"#;
const SQUARES: &str = r#"{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"ID": "1", "STUSPS": "KS"},
  "geometry": {"type": "Polygon", "coordinates": [[[-100, 40], [-99, 40], [-99, 41], [-100, 41], [-100, 40]]]}}]}"#;
const RIIS: &str = "locality,scientificName,taxonRank,Introduced or Invasive,GBIF taxonKey,occurrenceID\n\
                    L48,Bromus tectorum,Species,Invasive,2703647,USRIIS-L48-1\n";

/// Sources by URI: ETag and length.
#[derive(Clone, Default)]
struct Shelf(BTreeMap<String, (String, u64)>);

#[async_trait]
impl Sources for Shelf {
    async fn stat(&self, uri: &SourceUri) -> Result<Option<SourceStat>, StepError> {
        let found = self.0.get(&uri.to_string());
        Ok(found.map(|(tag, bytes)| SourceStat {
            e_tag: Some(tag.clone()),
            last_modified: None,
            bytes: *bytes,
        }))
    }
}

/// Executions whose name begins with `dead` are over.
#[derive(Clone, Default)]
struct Names {
    /// Everybody who asks waits here for the others.
    meeting: Option<Arc<Barrier>>,
}

#[async_trait]
impl Executions for Names {
    async fn status(&self, execution_arn: &str) -> Result<ExecutionStatus, StepError> {
        if execution_arn.starts_with("dead") {
            if let Some(barrier) = &self.meeting {
                barrier.wait().await;
            }
            return Ok(ExecutionStatus::Failed);
        }
        Ok(ExecutionStatus::Running)
    }
}

type Step = PlanRun<Shelf, Names>;

async fn step() -> Step {
    let store = Store::memory();
    store.put("reference/layers.toml", LAYERS).await.unwrap();
    store.put("reference/squares.geojson", SQUARES).await.unwrap();
    store.put("reference/riis.csv", RIIS).await.unwrap();
    let file =
        |name: &str, tag: &str, bytes| (format!("s3://memory/uploads/{name}"), (tag.to_owned(), bytes));
    let sources = Shelf(BTreeMap::from([
        file("a.zip", "one", 48),
        file("a b+c%20d.zip", "one", 48),
        file("0006607-230918134249559.zip", "one", 48),
        file("empty.zip", "none", 0),
    ]));
    let requests = DownloadRequests {
        // Nobody is there.
        gbif: GbifDownloads::new("http://127.0.0.1:1").unwrap(),
        secret: NO_SECRET.into(),
        secrets: Arc::new(MemorySecrets::default()),
    };
    PlanRun { store, gbif: Store::memory(), sources, executions: Names::default(), requests }
}

fn now() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().unwrap()
}

async fn ask(step: &Step, execution: &str, input: Value) -> Result<Response, StepError> {
    step.handle(Request { execution_arn: execution.into(), input }, now()).await
}

fn uploaded(bucket: &str, key: &str) -> Value {
    json!({"version": "0", "detail-type": "Object Created", "source": "aws.s3", "detail": {
        "bucket": {"name": bucket}, "object": {"key": key, "size": 48, "etag": "one"}, "reason": "PutObject"}})
}

fn source(options: Value) -> Value {
    json!({"source": "s3://memory/uploads/a.zip", "options": options})
}

/// `generation landing` of a planned run, or what else came out.
fn outcome(answer: &Result<Response, StepError>) -> String {
    match answer {
        Ok(Response::Planned { run, landing }) => {
            format!("{} {}", run.generation, format!("{landing:?}").to_lowercase())
        }
        Ok(Response::Duplicate { execution_arn, .. }) => format!("duplicate of {execution_arn}"),
        Ok(Response::Ignored { .. }) => "ignored".into(),
        Err(error) => error.name().to_string(),
    }
}

fn run_id(answer: &Result<Response, StepError>) -> RunId {
    match answer {
        Ok(Response::Planned { run, .. }) => run.run_id.clone(),
        other => panic!("not planned: {other:?}"),
    }
}

async fn finish(step: &Step, plan: &Plan) {
    let manifest = Manifest {
        run_id: plan.run_id.clone(),
        generation: plan.generation,
        execution_arn: plan.execution_arn.clone(),
        version: "0.1.0".into(),
        finished_at: now(),
        reference: plan.reference.clone(),
        comparability: Some(serde_json::from_value(json!({
            "source_kind": "dwca", "predicate_sha256": null, "filters": {}, "checklist": "unknown", "layers": [],
            "riis_sha256": null,
        }))
        .unwrap()),
        tables: BTreeMap::new(),
        new_in_run: BTreeMap::new(),
        notes: vec![],
    };
    let run = RunStore::new(&step.store, &plan.run_id);
    run.write(&run.layout().manifest(), &manifest).await.unwrap();
}

/// Lands a file of 5 bytes for this plan.
async fn land(step: &Step, plan: &Plan) -> Landing {
    let run = RunStore::new(&step.store, &plan.run_id);
    let part = Part { uri: run.layout().occurrences_part(0), records: Some(1), bytes: 5 };
    step.store.put(&part.uri, "parts").await.unwrap();
    let landing: Landing = serde_json::from_value(json!({
        "run_id": plan.run_id, "generation": plan.generation,
        "source": {"kind": "dwca", "uri": "s3://memory/uploads/a.zip", "bytes": 48, "entry_sha256": null,
            "entry_crc32": null, "sha256": null, "etag": null, "doi": null, "records_declared": null},
        "source_identity": plan.source_identity, "checklist": "backbone", "extra_columns": [],
        "row_group_records": plan.options().row_group_records(),
        "records": {"read": 1, "ragged": 0, "rejected": 0, "landed": 1}, "unparsed": {},
        "geospatial_issue_differs": 0, "taxon_keys": {"numeric": 1, "other": 0, "none": 0},
        "parts": [part], "landed_at": plan.planned_at,
    }))
    .unwrap();
    run.write(&run.layout().landing(), &landing).await.unwrap();
    landing
}

async fn plan_of(step: &Step, run_id: &RunId) -> Plan {
    RunStore::new(&step.store, run_id).plan().await.unwrap()
}

#[tokio::test]
async fn what_is_asked_for() {
    let step = step().await;
    step.gbif.put("occurrence/2026-07-01/occurrence.parquet/000000", "part").await.unwrap();
    for (input, expected, run) in [
        (uploaded("memory", "uploads/a.zip"), "1 download", "upload-a-zip-"),
        (uploaded("memory", "uploads/a b+c%20d.zip"), "1 download", "upload-a-b-c-20d-zip-"),
        (
            uploaded("memory", "uploads/0006607-230918134249559.zip"),
            "1 download",
            "gbif-0006607-230918134249559",
        ),
        (json!({"download_key": "0006608-230918134249559"}), "1 download", "gbif-0006608-230918134249559"),
        (
            json!({"request": {"predicate": {"type": "equals", "key": "COUNTRY", "value": "US"}}}),
            "InvalidInput",
            "GbifCredentialsSecret",
        ),
        (json!({"snapshot": "2026-07-01"}), "1 snapshot", "snapshot-2026-07-01"),
        (uploaded("memory", "uploads/folder/"), "ignored", ""),
        (uploaded("memory", "folder/"), "ignored", ""),
        (uploaded("memory", "elsewhere/a.zip"), "InvalidInput", "elsewhere/a.zip"),
        (uploaded("foreign", "uploads/a.zip"), "InvalidInput", "s3://foreign/uploads/a.zip"),
        (uploaded("memory", "uploads/empty.zip"), "UnsupportedFormat", "empty"),
        (uploaded("memory", "uploads/gone.zip"), "DownloadNotAvailable", "s3://memory/uploads/gone.zip"),
        (json!({"source": "s3://memory/uploads/gone.zip"}), "DownloadNotAvailable", "upload the file"),
        (
            json!({"snapshot": "2026-08-01"}),
            "DownloadNotAvailable",
            "occurrence/2026-08-01/occurrence.parquet/",
        ),
        (
            json!({"snapshot": "2026-07-01", "options": {"columns": ["county"]}}),
            "InvalidInput",
            "options.columns",
        ),
        (json!({"source": "s3://memory/uploads/a.zip", "sauce": 1}), "InvalidInput", "sauce"),
        (source(json!({"layers": ["round"]})), "duplicate of live", ""),
        (
            json!({"download_key": "0006609-230918134249559", "options": {"layers": ["round"]}}),
            "InvalidInput",
            "round",
        ),
    ] {
        let answer = ask(&step, "live", input.clone()).await;
        let answer = if expected.starts_with("duplicate") {
            ask(&step, "live too", input.clone()).await
        } else {
            answer
        };
        assert_eq!(outcome(&answer), expected, "{input}: {answer:?}");
        match &answer {
            Ok(Response::Planned { .. }) => assert!(run_id(&answer).as_str().starts_with(run), "{answer:?}"),
            Ok(_) => {}
            Err(error) => assert!(error.to_string().contains(run), "{error}"),
        }
    }
}

#[tokio::test]
async fn nothing_is_locked_without_a_register() {
    let step = step().await;
    step.store.delete(["reference/riis.csv".to_owned()]).await.unwrap();
    let error = ask(&step, "live", source(json!({}))).await.unwrap_err();
    assert!(error.to_string().contains("options.riis"), "{error}");
    assert_eq!(error.name().as_str(), "BadReferenceData");
    assert!(step.store.list("runs/").await.unwrap().is_empty());
    assert_eq!(outcome(&ask(&step, "live", source(json!({"riis": "none"}))).await), "1 download");
}

#[tokio::test]
async fn the_plan_says_what_the_run_will_do() {
    let step = step().await;
    let options = json!({"subset_records": 250, "checklist": "backbone"});
    let answer = ask(&step, "live", source(options)).await;
    let plan = plan_of(&step, &run_id(&answer)).await;
    assert_eq!((plan.execution_arn.as_str(), plan.generation, plan.planned_at), ("live", 1, now()));
    assert_eq!(plan.source_identity.as_deref(), Some("etag one, 48 bytes"));
    assert_eq!(plan.options().subset_records(), 250);
    assert!(plan.checklist.unwrap().is_backbone());
    assert_eq!(plan.reference.layer_sources.len(), 1);
    assert!(plan.reference.riis.is_some());
}

#[tokio::test]
async fn who_gets_the_run() {
    // who holds it, in which generation, the generation of the manifest, who asks, with force; what comes out
    for (holder, generation, finished, asks, force, expected) in [
        ("live", 1, None, "live", false, "1 download"),
        ("live", 1, None, "live", true, "1 download"),
        ("live", 3, Some(2), "live", true, "3 download"),
        ("live", 1, None, "other", false, "duplicate of live"),
        ("live", 1, None, "other", true, "duplicate of live"),
        ("live", 2, Some(1), "other", true, "duplicate of live"),
        ("dead", 1, None, "other", false, "1 download"),
        ("dead", 2, Some(1), "other", false, "2 download"),
        ("dead", 1, None, "other", true, "2 download"),
        ("dead", 1, Some(1), "other", false, "duplicate of dead"),
        ("dead", 1, Some(1), "other", true, "2 download"),
        ("live", 1, Some(1), "other", false, "duplicate of live"),
        ("live", 1, Some(1), "other", true, "2 download"),
    ] {
        let step = step().await;
        let answer = ask(&step, holder, source(json!({}))).await;
        let plan = Plan { generation, ..plan_of(&step, &run_id(&answer)).await };
        let run = RunStore::new(&step.store, &plan.run_id);
        run.write(&run.layout().plan(), &plan).await.unwrap();
        if let Some(generation) = finished {
            finish(&step, &Plan { generation, ..plan }).await;
        }
        let options = if force { json!({"force": true}) } else { json!({}) };
        let answer = ask(&step, asks, source(options)).await;
        let case = format!("{holder} {generation} {finished:?} {asks} {force}");
        assert_eq!(outcome(&answer), expected, "{case}");
        let held = run.plan().await.unwrap();
        match answer {
            Ok(Response::Planned { run, .. }) => assert_eq!(held.run_ref(), run, "{case}"),
            _ => assert_eq!(held.execution_arn, holder, "{case}"),
        }
    }
}

#[tokio::test]
async fn a_dead_run_keeps_its_generation_only_if_the_work_is_the_same() {
    for (asked, generation) in [
        (json!({}), 1),
        (json!({"market": "on-demand"}), 1),
        (json!({"subset_records": 250}), 2),
        (json!({"filters": {"rank": false}}), 2),
        (json!({"riis": "none"}), 2),
    ] {
        let step = step().await;
        ask(&step, "dead", source(json!({}))).await.unwrap();
        let later = "2027-01-01T00:00:00Z".parse().unwrap();
        let request = Request { execution_arn: "live".into(), input: source(asked.clone()) };
        let answer = step.handle(request, later).await;
        assert_eq!(outcome(&answer), format!("{generation} download"), "{asked}");
        let plan = plan_of(&step, &run_id(&answer)).await;
        // The run year must not change while outputs of the same generation are kept.
        assert_eq!(plan.planned_at, if generation == 1 { now() } else { later }, "{asked}");
    }
    let step = step().await;
    ask(&step, "dead", source(json!({}))).await.unwrap();
    step.store.put("reference/riis.csv", RIIS.replace("Invasive,2", "Introduced,2")).await.unwrap();
    assert_eq!(outcome(&ask(&step, "live", source(json!({}))).await), "2 download", "another register");
}

#[tokio::test]
async fn one_upload_delivered_twice_starts_one_run() {
    let step = step().await;
    let event = uploaded("memory", "uploads/a.zip");
    assert_eq!(outcome(&ask(&step, "first", event.clone()).await), "1 download");
    assert_eq!(outcome(&ask(&step, "second", event.clone()).await), "duplicate of first");
    assert_eq!(outcome(&ask(&step, "first", event).await), "1 download");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_start_together_one_wins() {
    for _ in 0..10 {
        let step = Arc::new(step().await);
        let starts = (0..16).map(|i| {
            let step = step.clone();
            tokio::spawn(async move { ask(&step, &format!("live {i}"), source(json!({}))).await })
        });
        let mut outcomes = Vec::new();
        for start in starts.collect::<Vec<_>>() {
            outcomes.push(outcome(&start.await.unwrap()));
        }
        let planned = outcomes.iter().filter(|outcome| *outcome == "1 download").count();
        let duplicates = outcomes.iter().filter(|outcome| outcome.starts_with("duplicate of live")).count();
        assert_eq!((planned, duplicates), (1, 15), "{outcomes:?}");
    }
}

#[tokio::test]
async fn of_two_that_take_over_together_one_wins() {
    let mut step = step().await;
    ask(&step, "dead", source(json!({}))).await.unwrap();
    step.executions.meeting = Some(Arc::new(Barrier::new(2)));
    let (a, b) =
        tokio::join!(ask(&step, "live a", source(json!({}))), ask(&step, "live b", source(json!({}))));
    let mut outcomes = [outcome(&a), outcome(&b)];
    outcomes.sort();
    assert_eq!(outcomes[0], "1 download", "{outcomes:?}");
    assert!(outcomes[1].starts_with("duplicate of live"), "{outcomes:?}");
}

#[tokio::test]
async fn what_landed_is_kept_if_it_is_still_right() {
    type Change = fn(&mut Landing);
    let unchanged: Change = |_| {};
    for (what, before, asked, change, expected) in [
        ("a dead run that had landed", json!({}), json!({}), unchanged, "1 kept"),
        ("force", json!({}), json!({"force": true}), unchanged, "2 kept"),
        ("other filters", json!({}), json!({"filters": {"rank": false}}), unchanged, "2 kept"),
        (
            "larger subsets",
            json!({"subset_records": 250}),
            json!({"subset_records": 500}),
            unchanged,
            "2 kept",
        ),
        (
            "smaller subsets",
            json!({"subset_records": 500}),
            json!({"subset_records": 250}),
            unchanged,
            "2 download",
        ),
        ("other columns", json!({}), json!({"columns": ["county"]}), unchanged, "2 download"),
        (
            "the same columns",
            json!({"columns": ["all"]}),
            json!({"columns": ["all"], "force": true}),
            unchanged,
            "2 kept",
        ),
        ("another checklist", json!({}), json!({"checklist": "col"}), unchanged, "2 download"),
        (
            "another content",
            json!({}),
            json!({}),
            |landing| landing.source_identity = Some("etag two".into()),
            "1 download",
        ),
        ("an unknown content", json!({}), json!({}), |landing| landing.source_identity = None, "1 download"),
        ("an older generation", json!({}), json!({}), |landing| landing.generation = 0, "1 download"),
        ("a part that is gone", json!({}), json!({}), |landing| landing.parts[0].uri += "x", "1 download"),
        ("a part that is shorter", json!({}), json!({}), |landing| landing.parts[0].bytes = 6, "1 download"),
    ] {
        let step = step().await;
        let answer = ask(&step, "dead", source(before)).await;
        let run = RunStore::new(&step.store, &run_id(&answer));
        let mut landing = land(&step, &run.plan().await.unwrap()).await;
        change(&mut landing);
        run.write(&run.layout().landing(), &landing).await.unwrap();
        let answer = ask(&step, "live", source(asked.clone())).await;
        assert_eq!(outcome(&answer), expected, "{what}");
        assert_eq!(outcome(&ask(&step, "live", source(asked)).await), expected, "{what}, asked again");
        if let Ok(Response::Planned { run: planned, landing: How::Kept }) = answer {
            assert_eq!(run.landing().await.unwrap().generation, planned.generation, "{what}");
        }
    }
}

#[tokio::test]
async fn a_snapshot_is_listed_once() {
    let step = step().await;
    let folder = "occurrence/2026-07-01/occurrence.parquet";
    for (name, content) in [("000000", "first"), ("000001", "second"), ("_SUCCESS", ""), (".crc", "x")] {
        step.gbif.put(&format!("{folder}/{name}"), content).await.unwrap();
    }
    let input = json!({"snapshot": "2026-07-01"});
    let answer = ask(&step, "dead", input.clone()).await;
    let run = RunStore::new(&step.store, &run_id(&answer));
    let mut landing = run.landing().await.unwrap();
    let parts: Vec<(String, u64)> = landing.parts.iter().map(|part| (part.uri.clone(), part.bytes)).collect();
    let uri = |name: &str| format!("s3://memory/{folder}/{name}");
    assert_eq!(parts, [(uri("000000"), 5), (uri("000001"), 6)]);
    assert_eq!((landing.source.bytes, landing.records.landed), (11, 0));
    assert!(landing.checklist.is_unknown());

    // What count-subsets fills in survives a repetition and a take-over, but not a new generation.
    landing.records.landed = 7;
    run.store().put(&run.layout().landing(), to_json(&landing)).await.unwrap();
    for (execution, input, expected, landed) in [
        ("dead", input.clone(), "1 snapshot", 7),
        ("live", input.clone(), "1 snapshot", 7),
        ("other", input.clone(), "duplicate of live", 7),
        ("live", json!({"snapshot": "2026-07-01", "options": {"force": true}}), "1 snapshot", 7),
    ] {
        assert_eq!(outcome(&ask(&step, execution, input).await), expected);
        assert_eq!(run.landing().await.unwrap().records.landed, landed);
    }
    finish(&step, &run.plan().await.unwrap()).await;
    let forced = json!({"snapshot": "2026-07-01", "options": {"force": true}});
    assert_eq!(outcome(&ask(&step, "other", forced).await), "2 snapshot");
    assert_eq!(run.landing().await.unwrap().records.landed, 0);
}
