use bisonflow_cloud::Store;
use bisonflow_cloud::summarize::{finish, summarize};
use bisonflow_contract::drift::DriftLimits;
use serde_json::json;

use crate::support::{annotate, count, land, plan};

const REPORT: &str = "runs/run=upload-a-zip-0123abcd/report.html";

/// The report of a run of ten records in three subsets, of which seven are annotated.
async fn report_of(store: &Store, options: serde_json::Value) -> String {
    let plan = plan(store, options).await;
    land(store, &plan, &[&[4, 4, 2]]).await;
    annotate(store, &plan, &count(store, &plan).await.unwrap()).await;
    let summary = summarize(store, &plan).await.unwrap();
    assert!(store.get(REPORT).await.unwrap().is_none(), "a run that is not finished has none");
    finish(store, &plan, &summary, vec!["a <note>".into()], DriftLimits::default(), plan.planned_at)
        .await
        .unwrap();
    String::from_utf8(store.get(REPORT).await.unwrap().unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn the_report_tells_what_the_tables_have() {
    let store = crate::support::store().await;
    let page = report_of(&store, json!({"subset_records": 4})).await;
    for told in [
        "data-from=\"ledger:records.annotated\">7</data>",
        "data-from=\"register:rows\">1</data> rows of the register",
        "data-from=\"square_counts:outside.occ_count\">2</data> records lie in no region",
        "<tr data-key=\"1\"><th scope=\"row\">Square 1</th>",
        "<i>Bromus tectorum</i>",
        "a &#60;note&#62;",
        "countrycode US",
    ] {
        assert!(page.contains(told), "{told}");
    }
    // Square 1 has 5 records of 1 species, which is invasive: the class of the least counts and of the greatest share.
    assert!(page.contains("<path class=\"c0 h\" data-c=\"005\""), "square 1");
    assert!(
        page.contains("<path class=\"cn\" data-c=\"nnn\"") && page.contains("data-t=\"Square 2\""),
        "square 2"
    );
    assert!(!page.contains("Demonstration geometry") && page.contains("derived_dataset.csv"));
}

#[tokio::test]
async fn a_run_without_register_or_layers_says_so() {
    let store = crate::support::store().await;
    let page = report_of(&store, json!({"subset_records": 4, "riis": "none"})).await;
    assert!(
        page.contains("<strong>No register.</strong>") && page.contains("The run did without a register.")
    );
}
