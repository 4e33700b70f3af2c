use bisonflow_cloud::catalog::{Catalog, CatalogColumn, MemoryCatalog, SHOWS_RUN, TableSpec, merge_table};
use bisonflow_cloud::publications::{Baseline, baseline, publications};
use bisonflow_cloud::publish::Publisher;
use bisonflow_cloud::region_list::{RegionQuery, list_region};
use bisonflow_cloud::summarize::{Finished, finish, summarize};
use bisonflow_cloud::{FinishedRun, RunStore, Store};
use bisonflow_contract::document::{Manifest, Plan, TableFile};
use bisonflow_contract::drift::{DriftLimits, Measure, Verdict};
use bisonflow_contract::publication::PublicationState;
use bisonflow_contract::{RunId, StepError};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{annotate, count, keys, land, plan_of, store, write_plan};

const RUNS: [&str; 4] =
    ["upload-a-zip-00000001", "upload-a-zip-00000002", "upload-a-zip-00000003", "upload-a-zip-00000004"];

fn run(number: usize) -> RunId {
    RUNS[number - 1].parse().unwrap()
}

fn at(hour: usize) -> Timestamp {
    format!("2026-11-24T{hour:02}:00:00Z").parse().unwrap()
}

/// A finished run; a subset of records has one that is held back and the rest annotated.
async fn finished(store: &Store, number: usize, records: usize, options: Value) -> (Plan, Finished) {
    let plan = plan_of(store, RUNS[number - 1], options).await;
    land(store, &plan, &[&[records]]).await;
    annotate(store, &plan, &count(store, &plan).await.unwrap()).await;
    let summary = summarize(store, &plan).await.unwrap();
    let limits = DriftLimits::default();
    let finished = finish(store, &plan, &summary, vec![], limits, plan.planned_at).await.unwrap();
    (plan, finished)
}

/// The tables of a run, as registering leaves them.
async fn registered(catalog: &MemoryCatalog, manifest: &Manifest) {
    for name in manifest.tables.keys() {
        let spec = TableSpec {
            name: name.clone(),
            description: String::new(),
            location: format!("s3://memory/{name}/"),
            columns: vec![CatalogColumn::new("a", "string", "")],
        };
        merge_table(catalog, &spec).await.unwrap();
        let partition = format!("s3://memory/{}", manifest.tables[name].prefix);
        catalog.create_partition(name, &manifest.run_id, &partition).await.unwrap();
    }
}

/// Which runs the tables show, and how many of them.
fn shown(catalog: &MemoryCatalog) -> Vec<(String, usize)> {
    let state = catalog.state();
    let mut found = std::collections::BTreeMap::new();
    for table in state.tables.values() {
        if let Some(run) = table.parameters.get(SHOWS_RUN) {
            assert!(table.name.ends_with("_latest") && table.location.ends_with(&format!("run={run}/")));
            *found.entry(run.clone()).or_default() += 1;
        }
    }
    found.into_iter().collect()
}

async fn current(store: &Store) -> Option<String> {
    publications(store).await.unwrap().current.map(|current| current.run_id.to_string())
}

async fn compared(store: &Store, manifest: &Manifest) -> String {
    match baseline(store, &manifest.run_id, manifest.comparability.as_ref().unwrap()).await.unwrap() {
        Baseline::Run(publication) => publication.run_id.to_string(),
        Baseline::NotCompared { because } => because,
    }
}

/// Two finished runs and a third of other filters, registered.
async fn three() -> (Store, MemoryCatalog, Vec<Manifest>) {
    let (store, catalog) = (store().await, MemoryCatalog::new());
    let mut manifests = Vec::new();
    for (number, options) in [(1, json!({})), (2, json!({})), (3, json!({"filters": {"country": ["PR"]}}))] {
        let (_, finished) = finished(&store, number, 10, options).await;
        registered(&catalog, &finished.manifest).await;
        manifests.push(finished.manifest);
    }
    (store, catalog, manifests)
}

#[tokio::test]
async fn a_run_is_compared_with_the_latest_published_one_that_is_like_it() {
    let (store, _, manifests) = three().await;
    let [first, second, other] = &manifests[..] else { panic!("three runs") };
    assert_eq!(compared(&store, first).await, "no other run is published");
    let publisher = Publisher { store: &store, catalog: None };
    for number in 1..=3 {
        publisher.publish(&run(number), 0, at(number)).await.unwrap();
    }
    assert_eq!(compared(&store, first).await, RUNS[1]);
    assert_eq!(compared(&store, second).await, RUNS[0]);
    let because = compared(&store, other).await;
    assert!(because.contains("filter country") && because.contains(RUNS[1]), "{because}");

    // The files of the second are those of another generation now.
    RunStore::new(&store, &run(2)).withdraw(2).await.unwrap();
    let (_, fourth) = finished(&store, 4, 10, json!({})).await;
    assert_eq!(compared(&store, &fourth.manifest).await, RUNS[0]);
}

#[tokio::test]
async fn tables_move_to_the_run_and_back() {
    let (store, catalog, manifests) = three().await;
    let publisher = Publisher { store: &store, catalog: Some(&catalog) };
    let tables = manifests[0].tables.len() - 1; // all but occurrences
    for number in [1, 2] {
        let flipped = publisher.publish(&run(number), 0, at(number)).await.unwrap();
        assert_eq!(flipped.tables.len(), tables);
        assert_eq!(shown(&catalog), [(RUNS[number - 1].to_owned(), tables)]);
        assert_eq!(current(&store).await.as_deref(), Some(RUNS[number - 1]));
    }
    let before = publications(&store).await.unwrap();
    publisher.publish(&run(2), 0, at(9)).await.unwrap();
    assert_eq!(publications(&store).await.unwrap(), before, "again changes nothing");

    publisher.roll_back(&run(1), at(3)).await.unwrap();
    assert_eq!(shown(&catalog), [(RUNS[0].to_owned(), tables)]);
    let latest = publications(&store).await.unwrap();
    let states: Vec<PublicationState> = latest.history.iter().map(|one| one.state).collect();
    assert_eq!(states, [PublicationState::Published, PublicationState::Withdrawn]);
    assert_eq!(compared(&store, &manifests[0]).await, "no other run is published");
    // Published again, it stands again.
    publisher.publish(&run(2), 0, at(4)).await.unwrap();
    assert_eq!(compared(&store, &manifests[0]).await, RUNS[1]);
}

#[tokio::test]
async fn an_execution_publishes_its_run_once() {
    let (store, catalog, manifests) = three().await;
    let publisher = Publisher { store: &store, catalog: Some(&catalog) };
    let tables = manifests[0].tables.len() - 1;
    let history = async || publications(&store).await.unwrap().history.len();
    for _ in 0..2 {
        assert_eq!(publisher.publish_once(&manifests[0], 0, at(1)).await.unwrap().tables.len(), tables);
    }
    publisher.publish_once(&manifests[1], 0, at(2)).await.unwrap();
    // A try of the first whose answer was lost comes again: the second stays the latest.
    assert!(publisher.publish_once(&manifests[0], 1, at(3)).await.unwrap().tables.is_empty());
    assert_eq!((current(&store).await.as_deref(), history().await), (Some(RUNS[1]), 2));
    assert_eq!(shown(&catalog), [(RUNS[1].to_owned(), tables)]);
    // One that was withdrawn while it waited is published by who approves of it.
    publisher.roll_back(&run(1), at(4)).await.unwrap();
    publisher.publish_once(&manifests[1], 0, at(5)).await.unwrap();
    assert_eq!((current(&store).await.as_deref(), history().await), (Some(RUNS[1]), 3));
}

#[tokio::test]
async fn a_table_that_the_run_lacks_is_not_shown() {
    let (store, catalog, manifests) = three().await;
    let publisher = Publisher { store: &store, catalog: Some(&catalog) };
    publisher.publish(&run(1), 0, at(1)).await.unwrap();
    let mut less = manifests[1].clone();
    less.tables.remove("square_x_taxon_list");
    let second = RunStore::new(&store, &run(2));
    second.write(&second.layout().manifest(), &less).await.unwrap();
    publisher.publish(&run(2), 0, at(2)).await.unwrap();
    assert_eq!(shown(&catalog), [(RUNS[1].to_owned(), less.tables.len() - 1)]);
    assert!(catalog.table("square_x_taxon_list").await.unwrap().is_some(), "its partitions stay");
}

#[tokio::test]
async fn a_flip_that_was_killed_anywhere_is_finished_or_undone() {
    let (store, catalog, manifests) = three().await;
    let publisher = Publisher { store: &store, catalog: Some(&catalog) };
    let tables = manifests[0].tables.len() - 1;
    for killed_after in 0..tables {
        publisher.publish(&run(1), 0, at(1)).await.unwrap();
        catalog.state().changes_left = Some(killed_after);
        let error = publisher.publish(&run(2), 0, at(2)).await.unwrap_err();
        assert_eq!(error.name().as_str(), "TableConflict", "{error}");
        assert_eq!(current(&store).await.as_deref(), Some(RUNS[0]), "latest.json is the last");
        catalog.state().changes_left = None;
        // Undone …
        publisher.roll_back(&run(1), at(3)).await.unwrap();
        assert_eq!(shown(&catalog), [(RUNS[0].to_owned(), tables)]);
        // … or finished.
        catalog.state().changes_left = Some(killed_after);
        publisher.publish(&run(2), 0, at(4)).await.unwrap_err();
        catalog.state().changes_left = None;
        publisher.publish(&run(2), 0, at(5)).await.unwrap();
        assert_eq!(shown(&catalog), [(RUNS[1].to_owned(), tables)]);
        assert_eq!(current(&store).await.as_deref(), Some(RUNS[1]));
    }
}

#[tokio::test]
async fn what_is_not_whole_is_not_published() {
    let (store, catalog, manifests) = three().await;
    let publisher = Publisher { store: &store, catalog: Some(&catalog) };
    for table in ["riis_matches", "annotated", "occurrences"] {
        let TableFile { key, bytes } = manifests[0].tables[table].files[0].clone();
        let (whole, bytes) = (store.get(&key).await.unwrap().unwrap(), bytes.unwrap());
        assert_eq!(whole.len() as u64, bytes);
        let refused = async |found: &str| {
            let error = publisher.publish(&run(1), 0, at(1)).await.unwrap_err();
            let told = format!("{key} of its table {table}: found {found}, expected {bytes} bytes");
            assert!(matches!(&error, StepError::CountMismatch(why) if why.contains(&told)), "{error}");
            assert!(shown(&catalog).is_empty() && current(&store).await.is_none());
        };
        store.put(&key, whole.slice(..whole.len() - 1)).await.unwrap();
        refused(&format!("{} bytes", bytes - 1)).await;
        store.delete([key.clone()]).await.unwrap();
        refused("nothing").await;
        store.put(&key, whole).await.unwrap();
    }
    publisher.publish(&run(1), 0, at(1)).await.unwrap();
    assert_eq!(current(&store).await.as_deref(), Some(RUNS[0]));
}

#[tokio::test]
async fn a_manifest_from_before_lengths_and_comparability_is_read() {
    let store = store().await;
    let (_, first) = finished(&store, 1, 10, json!({})).await;
    let mut older = serde_json::to_value(&first.manifest).unwrap();
    for table in older["tables"].as_object_mut().unwrap().values_mut() {
        for file in table["files"].as_array_mut().unwrap() {
            *file = file["key"].clone();
        }
    }
    let manifest = RunStore::new(&store, &run(1)).layout().manifest();
    store.put(&manifest, older.to_string()).await.unwrap();
    let publisher = Publisher { store: &store, catalog: None };
    publisher.publish(&run(1), 0, at(1)).await.unwrap();
    older
        .as_object_mut()
        .unwrap()
        .retain(|name, _| !["comparability", "new_in_run"].contains(&name.as_str()));
    store.put(&manifest, older.to_string()).await.unwrap();
    let opened = FinishedRun::open(&store, &run(1)).await.unwrap();
    let query = RegionQuery { region: "square 1".into(), summary: None, status: None };
    assert_eq!(list_region(&opened, &query).await.unwrap().rows.num_rows(), 1);
    let error = publisher.publish(&run(1), 0, at(2)).await.unwrap_err();
    assert!(matches!(&error, StepError::InvalidInput(why) if why.contains("`force`")), "{error}");
}

#[tokio::test]
async fn who_cannot_be_gone_back_to_is_told_what_can() {
    let (store, _, _) = three().await;
    let publisher = Publisher { store: &store, catalog: None };
    let refused = async |run: RunId| publisher.roll_back(&run, at(9)).await.unwrap_err().to_string();
    assert!(refused(run(1)).await.contains("no run is published"));
    for number in [1, 2] {
        publisher.publish(&run(number), 0, at(number)).await.unwrap();
    }
    let unknown = refused("upload-a-zip-00000009".parse().unwrap()).await;
    assert!(unknown.contains("never published") && unknown.contains(RUNS[0]), "{unknown}");
    publisher.roll_back(&run(1), at(3)).await.unwrap();
    let withdrawn = refused(run(2)).await;
    assert!(withdrawn.contains("withdrawn") && withdrawn.contains("bisonflow publish"), "{withdrawn}");
    publisher.publish(&run(2), 1, at(4)).await.unwrap();
    let deleted = refused(run(1)).await;
    assert!(deleted.contains("deleted by the retention setting") && deleted.contains(RUNS[1]), "{deleted}");
}

#[tokio::test]
async fn runs_beyond_those_that_are_kept_are_deleted_and_no_others() {
    let (store, catalog, _) = three().await;
    store.put("uploads/a.zip", "an upload").await.unwrap();
    let (_, unpublished) = finished(&store, 4, 10, json!({})).await;
    registered(&catalog, &unpublished.manifest).await;
    let publisher = Publisher { store: &store, catalog: Some(&catalog) };
    publisher.publish(&run(1), 0, at(1)).await.unwrap();
    publisher.publish(&run(2), 2, at(2)).await.unwrap();
    let folders = async |number: usize| {
        let all = keys(&store, "").await;
        all.into_iter().filter(|key| key.contains(&format!("run={}/", RUNS[number - 1]))).count()
    };
    assert!(folders(1).await > 20);
    let flipped = publisher.publish(&run(3), 2, at(3)).await.unwrap();
    assert_eq!(flipped.deleted, [run(1)]);
    assert_eq!(folders(1).await, 0);
    for number in [2, 3, 4] {
        assert!(folders(number).await > 20, "run {number}");
    }
    assert!(store.head("uploads/a.zip").await.unwrap().is_some());
    let partitions: std::collections::BTreeSet<String> =
        catalog.state().partitions.keys().map(|(_, run)| run.clone()).collect();
    assert_eq!(partitions, RUNS[1..].iter().map(|&run| run.to_owned()).collect());
    let states: Vec<_> = publications(&store).await.unwrap().history.iter().map(|one| one.state).collect();
    use PublicationState::{Deleted, Published};
    assert_eq!(states, [Deleted, Published, Published]);
}

#[tokio::test]
async fn a_deletion_that_was_killed_is_finished_and_a_run_that_is_done_again_spared() {
    let (store, _, _) = three().await;
    let publisher = Publisher { store: &store, catalog: None };
    publisher.publish(&run(1), 0, at(1)).await.unwrap();
    publisher.publish(&run(2), 0, at(2)).await.unwrap();
    let mut latest = publications(&store).await.unwrap();
    latest.history[0].state = PublicationState::Deleting;
    store.put("runs/latest.json", serde_json::to_vec(&latest).unwrap()).await.unwrap();
    store.delete([RunStore::new(&store, &run(1)).layout().manifest()]).await.unwrap();

    // Somebody has planned it anew meanwhile.
    let plan = RunStore::new(&store, &run(1)).plan().await.unwrap();
    write_plan(&store, &Plan { planned_at: at(5), ..plan.clone() }).await;
    assert_eq!(publisher.publish(&run(3), 5, at(6)).await.unwrap().deleted, []);
    assert!(!keys(&store, &format!("runs/run={}/", RUNS[0])).await.is_empty());

    write_plan(&store, &plan).await;
    assert_eq!(publisher.publish(&run(3), 5, at(7)).await.unwrap().deleted, [run(1)]);
    assert!(keys(&store, &format!("runs/run={}/", RUNS[0])).await.is_empty());
}

#[tokio::test]
async fn the_drift_guard_holds_warns_or_lets_pass() {
    let store = store().await;
    let publisher = Publisher { store: &store, catalog: None };
    let (_, first) = finished(&store, 1, 2001, json!({})).await; // 2,000 annotated
    assert!(
        matches!(&first.drift.verdict, Verdict::NotCompared { because } if because.contains("published"))
    );
    publisher.publish(&run(1), 0, at(1)).await.unwrap();
    for (records, verdict) in [
        (2001, Verdict::Steady),
        (1902, Verdict::Steady), // -4.95 %
        (1901, Verdict::Warned), // -5 %
        (2101, Verdict::Warned), // +5 %
        (1602, Verdict::Warned), // -19.95 %
        (1601, Verdict::Held),   // -20 %
        (2401, Verdict::Held),   // +20 %
        (1, Verdict::Held),      // nothing is annotated
    ] {
        let (_, Finished { drift, .. }) = finished(&store, 2, records, json!({})).await;
        assert_eq!(drift.verdict, verdict, "{records}: {}", drift.sentence());
        assert_eq!((drift.baseline.clone(), drift.same_register), (Some(run(1)), true));
        let all = |measure| drift.rows.iter().find(|row| row.of == "all" && row.measure == measure).unwrap();
        let found = (all(Measure::Records).old, all(Measure::Records).new);
        assert_eq!(found, (2000, records as u64 - 1));
        assert_eq!((all(Measure::Species).old, all(Measure::Species).new), (1, u64::from(records > 1)));
        assert_eq!(drift.datasets.is_empty(), verdict == Verdict::Steady);
        // The summary is not by state: its regions are listed and decide nothing.
        let regions: Vec<_> = drift.rows.iter().filter(|row| row.of == "square").collect();
        assert!(regions.iter().all(|row| !row.decides && row.label.as_deref() == Some("Square 1")));
        assert_eq!(regions.is_empty(), verdict == Verdict::Steady);
        if verdict != Verdict::Steady {
            assert_eq!(drift.datasets[0].datasetkey.as_deref(), Some("50c9509d"));
            assert!(drift.sentence().contains("50c9509d"), "{}", drift.sentence());
        }
        let written = RunStore::new(&store, &run(2)).drift().await.unwrap();
        assert_eq!(written, Some(drift));
        let folder = RunStore::new(&store, &run(2)).layout().folder();
        store.delete(keys(&store, &folder).await).await.unwrap();
    }
}

#[tokio::test]
async fn a_run_without_records_is_told_and_what_comes_after_it_is_held() {
    let store = store().await;
    let (_, first) = finished(&store, 1, 1, json!({})).await; // its record is filtered out
    assert!(
        first.drift.sentence().contains("no record of this run is annotated"),
        "{}",
        first.drift.sentence()
    );
    Publisher { store: &store, catalog: None }.publish(&run(1), 0, at(1)).await.unwrap();
    let (_, second) = finished(&store, 2, 601, json!({})).await;
    assert_eq!(second.drift.verdict, Verdict::Held, "{}", second.drift.sentence());
    assert!(second.drift.sentence().contains("all records 0 → 600 (new)"), "{}", second.drift.sentence());
    let (_, third) = finished(&store, 3, 1, json!({})).await;
    assert_eq!(third.drift.verdict, Verdict::Held, "{}", third.drift.sentence());
}

#[tokio::test]
async fn with_another_register_statuses_are_not_compared() {
    let store = store().await;
    finished(&store, 1, 2001, json!({})).await;
    Publisher { store: &store, catalog: None }.publish(&run(1), 0, at(1)).await.unwrap();
    let (_, same) = finished(&store, 2, 2001, json!({})).await;
    assert!(same.drift.rows.iter().any(|row| row.of == "riis_assessment" && row.decides));
    let other = crate::support::RIIS
        .replace("L48-1\n", "L48-1\nL48,Poa annua,Species,Introduced,2704179,USRIIS-L48-2\n");
    store.put("reference/riis.csv", other).await.unwrap();
    let (_, changed) = finished(&store, 3, 2001, json!({})).await;
    assert_eq!((changed.drift.same_register, &changed.drift.verdict), (false, &Verdict::Steady));
    assert!(changed.drift.rows.iter().all(|row| row.of != "riis_assessment"));
    assert!(changed.drift.sentence().contains("statuses are not compared"), "{}", changed.drift.sentence());
}
