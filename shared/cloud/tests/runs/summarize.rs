use bisonflow_cloud::summarize::{finish, summarize};
use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::document::{Plan, SubsetReport};
use bisonflow_contract::drift::DriftLimits;
use serde_json::json;

use crate::support::{annotate, count, keys, land, parquet, plan, store, write_plan};

const RUN: &str = "run=upload-a-zip-0123abcd";

/// A run of ten records in three subsets, annotated.
async fn annotated() -> (Store, Plan) {
    let store = store().await;
    let plan = plan(&store, json!({"subset_records": 4})).await;
    land(&store, &plan, &[&[4, 4, 2]]).await;
    let subsets = count(&store, &plan).await.unwrap();
    annotate(&store, &plan, &subsets).await;
    (store, plan)
}

#[tokio::test]
async fn the_ledger_is_closed_and_the_tables_are_written() {
    let (store, plan) = annotated().await;
    let summary = summarize(&store, &plan).await.unwrap();
    let records = &summary.ledger.records;
    assert_eq!((records.read, records.landed, records.annotated, summary.ledger.subsets), (10, 10, 7, 3));
    assert_eq!(summary.ledger.layers["square"].inside, 5);
    assert_eq!(summary.annotated.rows, 7);
    assert_eq!(summary.annotated.files.len(), 3);
    let comparability = serde_json::to_value(&summary.comparability).unwrap();
    assert_eq!(comparability["source_kind"], "dwca");
    assert_eq!(comparability["filters"]["country"], "countrycode US");
    assert_eq!(comparability["layers"][0]["vintage"], "2020");
    assert_eq!(comparability["layers"][0]["sha256"], plan.reference.layer_sources["squares.geojson"].sha256);
    assert_eq!(comparability["riis_sha256"], plan.reference.riis.as_ref().unwrap().sha256);
    let names: Vec<&str> = summary.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "square_counts",
            "square_x_riis_counts",
            "square_x_species_list",
            "square_x_taxon_list",
            "square_riis_summary",
            "square_x_species",
            "species_x_square",
            "square_site_statistics",
            "square_species_statistics",
            "square_diversity",
            "square_matrix",
            "square_x_earliest_dated",
            "square_x_new_in_run",
            "riis_matches",
            "dataset_counts"
        ]
    );
    assert_eq!(summary.tables[0].columns[0].name, "square_id");
    let csv = store.get(&format!("csv/{RUN}/square_counts.csv")).await.unwrap().unwrap();
    let csv = String::from_utf8(csv.to_vec()).unwrap();
    assert!(csv.starts_with("square_id,square_name,occ_count,") && csv.contains("\n1,Square 1,5,"), "{csv}");
    assert_eq!(
        keys(&store, "summaries/square_counts/").await,
        [format!("summaries/square_counts/{RUN}/square_counts.parquet")]
    );
    let text =
        async |key: String| String::from_utf8(store.get(&key).await.unwrap().unwrap().to_vec()).unwrap();
    assert_eq!(
        text(format!("csv/{RUN}/square_diversity.csv")).await.lines().last().unwrap(),
        "1,1,1,3,0,0,5,0,0,2,1,1,0,0,,,,",
        "one species in one square, and two records outside"
    );
    let statistics = format!("statistics/square/{RUN}");
    assert_eq!(
        keys(&store, "statistics/").await,
        ["counts.mtx", "matrix_columns.csv", "matrix_rows.csv", "presence.mtx"]
            .map(|file| format!("{statistics}/square_{file}"))
    );
    assert!(text(format!("{statistics}/square_counts.mtx")).await.ends_with("\n1 1 1\n1 1 5\n"));
    assert_eq!(
        text(format!("{statistics}/square_matrix_rows.csv")).await,
        "row,square_id,square_name\n1,1,Square 1\n"
    );
    assert_eq!(
        text(format!("csv/{RUN}/square_x_earliest_dated.csv")).await.lines().last().unwrap(),
        "1,Square 1,2703647,Bromus tectorum,2020-05-01,7,2020-05-01,2020,,,,,,"
    );
    assert_eq!(
        text(format!("csv/{RUN}/riis_matches.csv")).await.lines().last().unwrap(),
        "USRIIS-L48-1,Bromus tectorum,Bromus tectorum L.,2703647,taxon,7,1"
    );
    assert_eq!(
        text(format!("csv/{RUN}/dataset_counts.csv")).await.lines().last().unwrap(),
        "50c9509d,,CC0_1_0,10,7,2020,2020"
    );
    assert_eq!(text(format!("csv/{RUN}/derived_dataset.csv")).await, "datasetkey,count\n50c9509d,7\n");
}

#[tokio::test]
async fn a_repetition_writes_the_same_and_the_manifest_comes_last() {
    let (store, plan) = annotated().await;
    let manifest = format!("runs/{RUN}/manifest.json");
    let now = "2026-11-23T01:00:00Z".parse().unwrap();
    let first = summarize(&store, &plan).await.unwrap();
    assert_eq!(store.get(&manifest).await.unwrap(), None);
    let finished =
        finish(&store, &plan, &first, vec!["a note".into()], DriftLimits::default(), now).await.unwrap();
    assert_eq!(finished.manifest.tables.len(), 17);
    assert_eq!(finished.manifest.tables["occurrences"].rows, 10);
    let contents = contents(&store).await;
    let second = summarize(&store, &plan).await.unwrap();
    let later = "2026-11-23T02:00:00Z".parse().unwrap();
    assert_eq!(
        finish(&store, &plan, &second, vec!["a note".into()], DriftLimits::default(), later).await.unwrap(),
        finished
    );
    assert_eq!(self::contents(&store).await, contents);
}

async fn contents(store: &Store) -> Vec<(String, Vec<u8>)> {
    let mut contents = Vec::new();
    for folder in ["annotated/", "csv/", "occurrences/", "runs/", "statistics/", "summaries/"] {
        for key in keys(store, folder).await {
            let content = store.get(&key).await.unwrap().unwrap().to_vec();
            contents.push((key, content));
        }
    }
    contents
}

#[tokio::test]
async fn what_no_current_subset_made_is_deleted() {
    let (store, plan) = annotated().await;
    for part in 3..1_205 {
        store.put(&format!("annotated/{RUN}/part-{part:05}.parquet"), "old").await.unwrap();
        store.put(&format!("runs/{RUN}/partials/part-{part:05}.json"), "old").await.unwrap();
    }
    store.put(&format!("runs/{RUN}/partials/part-00000.former.parquet"), "old").await.unwrap();
    store.put(&format!("runs/{RUN}/partials/part-00000.failed.json"), "old").await.unwrap();
    store.put("annotated/run=upload-a-zip-0123abcd0/part-00009.parquet", "another run's").await.unwrap();
    summarize(&store, &plan).await.unwrap();
    assert_eq!(keys(&store, &format!("annotated/{RUN}/")).await.len(), 3);
    assert_eq!(
        keys(&store, &format!("runs/{RUN}/partials/")).await.len(),
        15,
        "a report and four counts of each"
    );
    assert_eq!(keys(&store, "annotated/run=upload-a-zip-0123abcd0/").await.len(), 1);
}

#[tokio::test]
async fn tables_that_are_made_no_more_are_deleted() {
    let (store, plan) = annotated().await;
    let now = plan.planned_at;
    let summary = summarize(&store, &plan).await.unwrap();
    finish(&store, &plan, &summary, vec![], DriftLimits::default(), now).await.unwrap();

    let layers = crate::support::LAYERS.replace("name = \"square\"\nby", "name = \"renamed\"\nby");
    store.put("reference/layers.toml", layers).await.unwrap();
    let again = crate::support::plan(&store, json!({"subset_records": 4})).await;
    let again = Plan { generation: 2, ..again };
    write_plan(&store, &again).await;
    // The finished run says so no more, until it is finished again.
    RunStore::new(&store, &again.run_id).withdraw(2).await.unwrap();
    assert!(store.get(&format!("runs/{RUN}/manifest.json")).await.unwrap().is_none());
    land(&store, &again, &[&[4, 4, 2]]).await;
    annotate(&store, &again, &count(&store, &again).await.unwrap()).await;
    let summary = summarize(&store, &again).await.unwrap();
    finish(&store, &again, &summary, vec![], DriftLimits::default(), now).await.unwrap();
    let tables = keys(&store, "summaries/").await;
    let of_run = ["riis_matches", "dataset_counts", "derived_dataset"];
    let of_summaries = |keys: Vec<String>| -> Vec<String> {
        keys.into_iter().filter(|key| of_run.iter().all(|table| !key.contains(table))).collect()
    };
    let tables = of_summaries(tables);
    assert!(tables.len() == 13 && tables.iter().all(|key| key.contains("renamed")), "{tables:?}");
    for folder in ["csv/", "statistics/"] {
        let keys = of_summaries(keys(&store, folder).await);
        assert!(keys.iter().all(|key| key.contains("renamed")), "{folder}");
    }
}

#[tokio::test]
async fn what_is_missing_or_does_not_add_up_is_named_and_nothing_is_published() {
    let report = format!("runs/{RUN}/partials/part-00001.json");
    let partial = format!("runs/{RUN}/partials/part-00002.square.parquet");
    let part = format!("annotated/{RUN}/part-00000.parquet");
    let changed = |change: fn(&mut SubsetReport)| {
        let report = report.clone();
        async move |store: &Store| {
            let content = store.get(&report).await.unwrap().unwrap();
            let mut document: SubsetReport = serde_json::from_slice(&content).unwrap();
            change(&mut document);
            store.put(&report, serde_json::to_string(&document).unwrap()).await.unwrap();
        }
    };
    for (what, named) in [
        ("no report", "part-00001.json is not there"),
        ("an old report", "generation 0"),
        ("a report of other records", "3 records were put in"),
        ("a report of other statuses", "the sum of riis"),
        ("no partial counts", "part-00002.square.parquet is not there"),
        ("no annotated part", "part-00000.parquet: found nothing"),
        ("another annotated part", "part-00000.parquet"),
        ("other rows", "has 2 rows by its footer"),
    ] {
        let (store, plan) = annotated().await;
        match what {
            "no report" => store.delete([report.clone()]).await.unwrap(),
            "an old report" => changed(|report| report.generation = 0)(&store).await,
            "a report of other records" => changed(|report| report.tally.records = 3)(&store).await,
            "a report of other statuses" => changed(|report| report.tally.riis.invasive = 2)(&store).await,
            "no partial counts" => store.delete([partial.clone()]).await.unwrap(),
            "no annotated part" => store.delete([part.clone()]).await.unwrap(),
            "another annotated part" => store.put(&part, "longer or shorter").await.unwrap(),
            _ => {
                let content = parquet(&[2]);
                let bytes = content.len() as u64;
                store.put(&format!("annotated/{RUN}/part-00001.parquet"), content).await.unwrap();
                let content = store.get(&report).await.unwrap().unwrap();
                let mut document: SubsetReport = serde_json::from_slice(&content).unwrap();
                document.annotated_part.bytes = bytes;
                store.put(&report, serde_json::to_string(&document).unwrap()).await.unwrap();
            }
        }
        let error = summarize(&store, &plan).await.unwrap_err();
        assert_eq!(error.name().as_str(), "CountMismatch", "{what}: {error}");
        assert!(error.to_string().contains(named), "{what}: {error}");
        assert!(keys(&store, "summaries/").await.is_empty(), "{what}");
        assert_eq!(store.get(&format!("runs/{RUN}/ledger.json")).await.unwrap(), None, "{what}");
    }
}
