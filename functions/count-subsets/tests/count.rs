//! The step counts for whoever holds the run.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

#[path = "../../../shared/cloud/tests/runs/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the cloud crate, which need more of it")]
mod support;

use bisonflow_cloud::count::PartStores;
use bisonflow_contract::RunRef;
use bisonflow_contract::count_subsets::{Request, Response};
use count_subsets::handle;
use serde_json::json;

#[tokio::test]
async fn the_answer_is_what_was_counted() {
    let store = support::store().await;
    let plan = support::plan(&store, json!({"subset_records": 250})).await;
    support::land(&store, &plan, &[&[250, 250, 100]]).await;
    let stores = PartStores::new(&store, []);
    for _ in 0..2 {
        let answer = handle(&stores, Request { run: plan.run_ref() }).await.unwrap();
        assert_eq!(answer, Response { records: 600, subsets: 3 });
    }
    let other = RunRef { execution_arn: "other".into(), ..plan.run_ref() };
    let error = handle(&stores, Request { run: other }).await.unwrap_err();
    assert_eq!(error.name().as_str(), "RunTakenOver", "{error}");
}
