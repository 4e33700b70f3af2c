use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use bisonflow_cloud::region_list::{ListedSpecies, RegionList, RegionQuery, Status, list_region};
use bisonflow_cloud::summarize::{finish, summarize};
use bisonflow_cloud::{FinishedRun, Store};
use bisonflow_contract::StepError;
use bisonflow_contract::drift::DriftLimits;
use bisonflow_summary::to_parquet;
use serde_json::json;

use crate::support::{annotate, count, land, plan, store};

const RUN: &str = "upload-a-zip-0123abcd";

/// A finished run: five records of one species in square 1, two outside.
async fn finished() -> Store {
    let store = store().await;
    let plan = plan(&store, json!({"subset_records": 4})).await;
    land(&store, &plan, &[&[4, 4, 2]]).await;
    annotate(&store, &plan, &count(&store, &plan).await.unwrap()).await;
    let summary = summarize(&store, &plan).await.unwrap();
    finish(&store, &plan, &summary, vec![], DriftLimits::default(), plan.planned_at).await.unwrap();
    store
}

async fn list(store: &Store, query: RegionQuery) -> Result<RegionList, StepError> {
    list_region(&FinishedRun::open(store, &RUN.parse().unwrap()).await?, &query).await
}

fn query(region: &str, summary: Option<&str>, status: Option<&str>) -> RegionQuery {
    RegionQuery {
        region: region.into(),
        summary: summary.map(str::to_owned),
        status: status.map(|status| status.parse().unwrap()),
    }
}

#[tokio::test]
async fn a_region_is_found_by_its_key_and_by_its_label() {
    let store = finished().await;
    let brome = ListedSpecies {
        specieskey: Some("2703647".into()),
        species: Some("Bromus tectorum".into()),
        riis_assessment: Some("invasive".into()),
        occ_count: 5,
        first_year: Some(2020),
        last_year: Some(2020),
        occ_undated: 0,
    };
    for (region, summary, status, rows) in [
        ("1", None, None, 1),
        ("Square 1", None, None, 1),
        ("square  1", Some("square"), Some("invasive"), 1),
        ("SQUARE 1", None, Some("nonnative"), 1),
        ("1", None, Some("not_listed"), 0),
        ("1", None, Some("widespread invasive"), 0),
    ] {
        let found = list(&store, query(region, summary, status)).await.unwrap();
        assert_eq!(found.summary, "square");
        assert_eq!(
            found.region,
            [
                ("square_id".to_owned(), Some("1".to_owned())),
                ("square_name".to_owned(), Some("Square 1".to_owned()))
            ]
        );
        assert_eq!(found.species().unwrap(), vec![brome.clone(); rows], "{region} {status:?}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_named_with_what_is_like_it() {
    let store = finished().await;
    for (region, summary, named) in [
        ("Sqare 1", None, "most like it: Square 1, Square 2"),
        (
            "sqare",
            None,
            "no region of its layers is called so; of the regions, most like it: Square 1, Square 2. Regions",
        ),
        ("Atlantis", None, "none of the regions is like it. Regions are called such as square 1 (Square 1)"),
        ("1", Some("county"), "it has square"),
    ] {
        let error = list(&store, query(region, summary, None)).await.unwrap_err();
        assert_eq!(error.name().as_str(), "InvalidInput", "{error}");
        assert!(error.to_string().contains(named), "{region}: {error}");
    }
    let open = async |run: &str| FinishedRun::open(&store, &run.parse().unwrap()).await.unwrap_err();
    let error = open("upload-a-zip-0123abce").await;
    assert!(error.to_string().contains(&format!("of the runs there, most like it: {RUN}")), "{error}");
    let error = open("gbif-0000001").await;
    assert!(error.to_string().contains(&format!("there are: {RUN}")), "{error}");
    store.put("runs/latest.json", "{").await.unwrap();
    let error = open("upload-a-zip-0123abce").await;
    assert!(error.to_string().contains(&format!("most like it: {RUN}")), "{error}");
    let counts = format!("summaries/square_counts/run={RUN}/square_counts.parquet");
    let kept = store.get(&counts).await.unwrap().unwrap();
    store.delete([counts.clone()]).await.unwrap();
    let error = list(&store, query("1", None, None)).await.unwrap_err();
    assert_eq!(error.exit_code(), 65, "{error}");
    store.put(&counts, kept).await.unwrap();
    let manifest = format!("runs/run={RUN}/manifest.json");
    store.put(&manifest, "{").await.unwrap();
    let error = open(RUN).await;
    assert!(error.exit_code() == 65 && error.to_string().contains("is damaged"), "{error}");
    store.delete([format!("runs/run={RUN}/manifest.json")]).await.unwrap();
    let error = open(RUN).await;
    assert!(error.to_string().contains("is not finished"), "{error}");
    assert!("purple".parse::<Status>().unwrap_err().to_string().contains("widespread_invasive"));
}

#[tokio::test]
async fn a_name_of_several_regions_is_refused_with_their_keys() {
    let store = finished().await;
    let texts = |texts: [Option<&str>; 4]| -> ArrayRef { Arc::new(StringArray::from_iter(texts)) };
    let counts = RecordBatch::try_from_iter_with_nullable([
        ("square_id", texts([Some("1"), Some("2"), Some("3"), None]), true),
        ("square_name", texts([Some("Douglas"), Some("Douglas"), Some("1"), None]), true),
        ("occ_count", Arc::new(Int64Array::from(vec![5, 1, 1, 2])), false),
    ]);
    let key = format!("summaries/square_counts/run={RUN}/square_counts.parquet");
    store.put(&key, to_parquet(&counts.unwrap()).unwrap()).await.unwrap();
    let error = list(&store, query("douglas", None, None)).await.unwrap_err().to_string();
    assert!(error.contains("2 regions are called") && error.contains("square 2 (Douglas)"), "{error}");
    // A key goes before a label.
    assert_eq!(list(&store, query("1", None, None)).await.unwrap().region[0].1.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_region_without_records_has_an_empty_list() {
    let store = finished().await;
    for region in ["2", "square 2"] {
        let found = list(&store, query(region, None, None)).await.unwrap();
        let by = [("square_id", "2"), ("square_name", "Square 2")];
        assert_eq!(found.region, by.map(|(name, text)| (name.to_owned(), Some(text.to_owned()))));
        assert!(found.species().unwrap().is_empty());
        assert_eq!(found.rows.schema().field(0).name(), "square_id");
    }
    // Without the layer's file it cannot be known.
    store.delete(["reference/squares.geojson".to_owned()]).await.unwrap();
    let error = list(&store, query("Square 2", None, None)).await.unwrap_err();
    assert!(error.to_string().contains("whether there is one was not seen"), "{error}");
    assert!(error.to_string().contains("most like it: Square 1"), "{error}");
    assert_eq!(list(&store, query("Square 1", None, None)).await.unwrap().rows.num_rows(), 1);
}
