//! What is registered and published, and when.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

#[path = "../../../shared/cloud/tests/runs/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the cloud crate, which need more of it")]
mod support;

use bisonflow_cloud::catalog::{CatalogColumn, MemoryCatalog, TableSpec, merge_table};
use bisonflow_cloud::publish::Publisher;
use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::document::{Plan, SourceKind};
use bisonflow_contract::summarize_run::{Action, Answer, Checked, Published, Request, Response};
use bisonflow_contract::{RunRef, StepError};
use serde_json::json;
use summarize_run::{Settings, SummarizeRun};

use support::{annotate, count, keys, land, plan, plan_of, source, store, write_landing, write_plan};

const RUN: &str = "run=upload-a-zip-0123abcd";

async fn annotated() -> (Store, SummarizeRun<MemoryCatalog>, Plan) {
    let store = store().await;
    let plan = plan(&store, json!({"subset_records": 4})).await;
    land(&store, &plan, &[&[4, 4, 2]]).await;
    annotate(&store, &plan, &count(&store, &plan).await.unwrap()).await;
    let catalog = MemoryCatalog::new();
    let annotated = TableSpec {
        name: "annotated".into(),
        description: "The annotated records".into(),
        location: "s3://memory/annotated/".into(),
        columns: vec![CatalogColumn::new("gbifid", "string", "")],
    };
    merge_table(&catalog, &annotated).await.unwrap();
    (store.clone(), step(&store, catalog), plan)
}

fn step(store: &Store, catalog: MemoryCatalog) -> SummarizeRun<MemoryCatalog> {
    let settings = Settings { hold_for_approval: true, ..Settings::default() };
    SummarizeRun { store: store.clone(), catalog, settings }
}

fn request(action: Action, plan: &Plan) -> Request {
    Request { action, run: plan.run_ref(), task_token: None }
}

async fn ask(step: &SummarizeRun<MemoryCatalog>, plan: &Plan) -> Result<Response, StepError> {
    match step.handle(request(Action::Start, plan), plan.planned_at).await? {
        Answer::Summarized(response) => Ok(*response),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tables_and_partitions_are_registered_and_the_manifest_says_so() {
    let (store, step, plan) = annotated().await;
    store.put(&format!("runs/{RUN}/control/0123456789abcdef.json"), "a token").await.unwrap();
    let response = ask(&step, &plan).await.unwrap();
    assert_eq!(response.ledger_line, "read 10 = rejected 0 + filtered 3 + annotated 7");
    assert_eq!((response.read, response.filtered, response.annotated, response.riis.invasive), (10, 3, 7, 7));
    assert_eq!(response.manifest, format!("s3://memory/runs/{RUN}/manifest.json"));
    assert_eq!(response.report, format!("s3://memory/runs/{RUN}/report.html"));
    assert!(store.head(&format!("runs/{RUN}/report.html")).await.unwrap().is_some());
    assert_eq!(response.csv_location, format!("s3://memory/csv/{RUN}/"));
    assert_eq!(response.annotated_location, format!("s3://memory/annotated/{RUN}/"));
    {
        let state = step.catalog.state();
        // annotated, the five tables of a summary, the six of its matrix, and the two of the whole run.
        assert_eq!(state.tables.len(), 16);
        let counts = &state.tables["square_counts"];
        assert_eq!(counts.location, "s3://memory/summaries/square_counts/");
        assert!(counts.columns.iter().all(|column| !column.comment.is_empty()), "{counts:?}");
        assert_eq!(state.partitions.len(), 16);
        for ((table, run), location) in &state.partitions {
            assert_eq!(run, plan.run_id.as_str());
            let folder = if table == "annotated" { "annotated".into() } else { format!("summaries/{table}") };
            assert_eq!(*location, format!("s3://memory/{folder}/{RUN}/"));
        }
    }
    let manifest = RunStore::new(&store, &plan.run_id).manifest().await.unwrap().unwrap();
    assert_eq!((manifest.generation, manifest.tables.len(), manifest.notes.len()), (1, 17, 0));
    for table in manifest.tables.values() {
        assert_eq!(keys(&store, &table.prefix).await, table.keys().collect::<Vec<_>>());
    }
    assert!(keys(&store, &format!("runs/{RUN}/control/")).await.is_empty());

    // Again: the same answer, from what is there.
    let report = format!("runs/{RUN}/partials/part-00000.json");
    store.delete([report]).await.unwrap();
    assert_eq!(ask(&step, &plan).await.unwrap(), response);
}

#[tokio::test]
async fn a_summary_table_gains_the_columns_that_it_lacks() {
    let (_, step, plan) = annotated().await;
    let old = TableSpec {
        name: "square_counts".into(),
        description: "older".into(),
        location: "s3://memory/summaries/square_counts/".into(),
        columns: vec![CatalogColumn::new("square_id", "string", "the key")],
    };
    merge_table(&step.catalog, &old).await.unwrap();
    ask(&step, &plan).await.unwrap();
    let columns = step.catalog.state().tables["square_counts"].columns.clone();
    assert_eq!((columns[0].comment.as_str(), columns[2].name.as_str()), ("the key", "occ_count"));
}

#[tokio::test]
async fn nothing_is_registered_if_the_ledger_does_not_add_up() {
    let (store, step, plan) = annotated().await;
    let run = RunStore::new(&store, &plan.run_id);
    let mut landing = run.landing().await.unwrap();
    landing.records.rejected = 1;
    write_landing(&store, &landing).await;
    let error = ask(&step, &plan).await.unwrap_err();
    assert_eq!(error.name().as_str(), "CountMismatch", "{error}");
    assert!(step.catalog.state().partitions.is_empty());
    assert_eq!(run.manifest().await.unwrap(), None);
}

#[tokio::test]
async fn a_snapshot_that_is_not_registered_is_noted() {
    for registered in [false, true] {
        let (store, step, plan) = annotated().await;
        let run = RunStore::new(&store, &plan.run_id);
        let mut landing = run.landing().await.unwrap();
        landing.source = source(SourceKind::Snapshot);
        write_landing(&store, &landing).await;
        if registered {
            let key = ("occurrences".to_owned(), plan.run_id.to_string());
            step.catalog.state().partitions.insert(key, "s3://gbif/occurrence/".into());
        }
        ask(&step, &plan).await.unwrap();
        let manifest = run.manifest().await.unwrap().unwrap();
        assert_eq!(manifest.notes.is_empty(), registered, "{:?}", manifest.notes);
        assert!(!manifest.tables.contains_key("occurrences"));
    }
}

#[tokio::test]
async fn a_run_that_others_hold_is_left_alone() {
    let (_, step, plan) = annotated().await;
    for run in [
        RunRef { generation: 2, ..plan.run_ref() },
        RunRef { execution_arn: "other".into(), ..plan.run_ref() },
    ] {
        let asked = Request { run, ..request(Action::Start, &plan) };
        let error = step.handle(asked, plan.planned_at).await.unwrap_err();
        assert_eq!(error.name().as_str(), "RunTakenOver", "{error}");
    }
    assert!(step.catalog.state().partitions.is_empty());
}

#[tokio::test]
async fn a_run_is_published_once_it_is_finished_and_its_token_is_gone() {
    let (store, step, plan) = annotated().await;
    let error = step.handle(request(Action::Publish, &plan), plan.planned_at).await.unwrap_err();
    assert!(error.to_string().contains("SummarizeRun has to come first"), "{error}");
    let response = ask(&step, &plan).await.unwrap();
    assert!(!response.hold && response.drift.starts_with("Not compared, because"), "{}", response.drift);
    assert_eq!(store.get("runs/latest.json").await.unwrap(), None);

    let error = step.handle(request(Action::Hold, &plan), plan.planned_at).await.unwrap_err();
    assert!(error.to_string().contains("task_token"), "{error}");
    let hold = Request { task_token: Some("secret".into()), ..request(Action::Hold, &plan) };
    let held = step.handle(hold, plan.planned_at).await.unwrap();
    assert_eq!(serde_json::to_value(held).unwrap(), json!({}));
    assert_eq!(
        keys(&store, &format!("runs/{RUN}/control/")).await,
        [format!("runs/{RUN}/control/approval.json")]
    );

    for _ in 0..2 {
        let published = step.handle(request(Action::Publish, &plan), plan.planned_at).await.unwrap();
        assert_eq!(published, Answer::Published(Published { tables: 16, deleted_runs: 0 }));
    }
    assert!(keys(&store, &format!("runs/{RUN}/control/")).await.is_empty());
    let latest = step.catalog.state().tables["annotated_latest"].clone();
    assert_eq!(latest.location, format!("s3://memory/annotated/{RUN}/"));
    let latest = store.get("runs/latest.json").await.unwrap().unwrap();
    let latest: serde_json::Value = serde_json::from_slice(&latest).unwrap();
    assert_eq!(latest["current"]["run_id"], plan.run_id.as_str());
}

#[tokio::test]
async fn who_waits_in_vain_is_told_whether_the_run_was_published_by_hand() {
    let (store, step, plan) = annotated().await;
    ask(&step, &plan).await.unwrap();
    let publisher = Publisher { store: &store, catalog: Some(&step.catalog) };
    for published in [false, true] {
        if published {
            publisher.publish(&plan.run_id, 0, plan.planned_at).await.unwrap();
        }
        let hold = Request { task_token: Some("secret".into()), ..request(Action::Hold, &plan) };
        step.handle(hold, plan.planned_at).await.unwrap();
        for _ in 0..2 {
            let checked = step.handle(request(Action::Check, &plan), plan.planned_at).await.unwrap();
            assert_eq!(checked, Answer::Checked(Checked { published }));
            assert!(keys(&store, &format!("runs/{RUN}/control/")).await.is_empty(), "the token is gone");
        }
    }
}

#[tokio::test]
async fn who_decides_on_a_run_that_was_done_again_is_told_that_its_files_are_shown() {
    let (store, step, plan) = annotated().await;
    ask(&step, &plan).await.unwrap();
    let other = plan_of(&store, "upload-b-zip-0123abcd", json!({"subset_records": 4})).await;
    land(&store, &other, &[&[4, 4, 2]]).await;
    annotate(&store, &other, &count(&store, &other).await.unwrap()).await;
    ask(&step, &other).await.unwrap();
    for plan in [&other, &plan] {
        step.handle(request(Action::Publish, plan), plan.planned_at).await.unwrap();
    }
    let again = Plan { generation: 2, ..plan };
    write_plan(&store, &again).await;
    RunStore::new(&store, &again.run_id).withdraw(2).await.unwrap();
    land(&store, &again, &[&[4]]).await;
    annotate(&store, &again, &count(&store, &again).await.unwrap()).await;
    for _ in 0..2 {
        let response = ask(&step, &again).await.unwrap();
        assert!(response.hold && response.drift.starts_with("Held: compared with run upload-b-zip-0123abcd"));
        assert!(response.drift.contains("show it already"), "{}", response.drift);
    }
    Publisher { store: &store, catalog: Some(&step.catalog) }
        .roll_back(&other.run_id, again.planned_at)
        .await
        .unwrap();
    assert!(!ask(&step, &again).await.unwrap().drift.contains("show it already"));
}
