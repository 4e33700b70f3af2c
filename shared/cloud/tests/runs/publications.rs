use bisonflow_cloud::publications::{Baseline, baseline};
use bisonflow_cloud::run_store::to_json;
use bisonflow_cloud::summarize::{finish, summarize};
use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::document::{Manifest, Plan};
use bisonflow_contract::layout::LATEST;
use bisonflow_contract::publication::{Publication, PublicationState, Publications};
use serde_json::{Value, json};

use crate::support::{annotate, count, land, plan_of, store};

/// A finished run of ten records.
async fn finished(store: &Store, run: &str, options: Value) -> (Plan, Manifest) {
    let plan = plan_of(store, run, options).await;
    land(store, &plan, &[&[4, 4, 2]]).await;
    annotate(store, &plan, &count(store, &plan).await.unwrap()).await;
    let summary = summarize(store, &plan).await.unwrap();
    let manifest = finish(store, &plan, &summary, vec![], plan.planned_at).await.unwrap();
    (plan, manifest)
}

fn publication(manifest: &Manifest) -> Publication {
    Publication {
        run_id: manifest.run_id.clone(),
        generation: manifest.generation,
        published_at: manifest.finished_at,
        state: PublicationState::Published,
        comparability: manifest.comparability.clone(),
    }
}

async fn compared(store: &Store, manifest: &Manifest) -> String {
    match baseline(store, &manifest.run_id, &manifest.comparability).await.unwrap() {
        Baseline::Run(publication) => publication.run_id.to_string(),
        Baseline::NotCompared { because } => because,
    }
}

#[tokio::test]
async fn a_run_is_compared_with_the_latest_published_one_that_is_like_it() {
    let store = store().await;
    let (_, first) = finished(&store, "upload-a-zip-00000001", json!({})).await;
    let (_, second) = finished(&store, "upload-a-zip-00000002", json!({})).await;
    let (_, other) = finished(&store, "upload-a-zip-00000003", json!({"filters": {"country": ["PR"]}})).await;
    assert_eq!(compared(&store, &first).await, "no other run is published");

    let history = vec![publication(&first), publication(&second), publication(&other)];
    let publications = Publications { current: None, history };
    store.put(LATEST, to_json(&publications)).await.unwrap();
    assert_eq!(compared(&store, &first).await, second.run_id.as_str());
    assert_eq!(compared(&store, &second).await, first.run_id.as_str());
    let because = compared(&store, &other).await;
    assert!(because.contains("filter country") && because.contains(second.run_id.as_str()), "{because}");

    // The files of the second are those of another generation now.
    RunStore::new(&store, &second.run_id).withdraw(2).await.unwrap();
    let (_, third) = finished(&store, "upload-a-zip-00000004", json!({})).await;
    assert_eq!(compared(&store, &third).await, first.run_id.as_str());
}
