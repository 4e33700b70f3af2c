//! Runs in one process on a handful of rows.

use std::path::{Path, PathBuf};

use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::input::Options;
use bisonflow_contract::{ErrorName, StepError};
use tokio::runtime::Runtime;

use crate::location::Location;
use crate::run::{Held, RunRequest, RunResult, run};

const HEADER: &str =
    "gbifID\tdecimalLatitude\tdecimalLongitude\ttaxonKey\ttaxonRank\tcountryCode\tbasisOfRecord\n";

fn text(rows: usize) -> String {
    let row = |id| format!("{id}\t38.9\t-95.2\t5\tSPECIES\tUS\tHUMAN_OBSERVATION\n");
    HEADER.to_owned() + &(1..=rows).map(row).collect::<String>()
}

fn run_file(source: &Path, out: &Path, options: serde_json::Value) -> Result<RunResult, StepError> {
    let runtime = Runtime::new().unwrap();
    let options: Options = serde_json::from_value(options).unwrap();
    let request = RunRequest {
        location: Location::parse(source.to_str().unwrap()).unwrap(),
        gbif: None,
        layers: None,
        index: None,
        riis: None,
        store: Store::folder(out).unwrap(),
        options,
        threads: std::num::NonZeroUsize::new(2),
    };
    run(&request, runtime.handle())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

#[test]
fn a_finished_run_is_told_again_and_done_anew_by_force_only() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("rows.txt"), folder.path().join("out"));
    std::fs::write(&source, text(10)).unwrap();
    let plain = serde_json::json!({});

    let first = run_file(&source, &out, plain.clone()).unwrap();
    assert_eq!((first.ledger.records.annotated, first.ledger.generation), (10, 1));
    let again = run_file(&source, &out, plain).unwrap();
    assert_eq!(again.manifest, first.manifest);

    let other = run_file(&source, &out, serde_json::json!({"subset_records": 4})).map(|_| ()).unwrap_err();
    assert_eq!(other.name(), ErrorName::InvalidInput);
    assert!(other.to_string().contains("--force"), "{other}");
    let forced = run_file(&source, &out, serde_json::json!({"subset_records": 4, "force": true})).unwrap();
    assert_eq!((forced.ledger.generation, forced.ledger.subsets), (2, 3));
    assert_eq!(forced.ledger.records, first.ledger.records);
    // Back to one subset: nothing of the other two is left.
    let back = run_file(&source, &out, serde_json::json!({"force": true})).unwrap();
    assert_eq!(back.manifest.tables["annotated"].files.len(), 1);
    assert_eq!(files(&out.join("annotated")).len(), 1);
}

#[test]
fn an_index_gives_the_same_as_building_it_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (source, index) = (folder.path().join("rows.txt"), folder.path().join("regions.index"));
    std::fs::write(&source, text(10)).unwrap();
    let runtime = Runtime::new().unwrap();
    let from = crate::regions::LayersFrom { layers: None, index: None };
    crate::regions::build(&from, &index, runtime.handle()).unwrap();
    let with = |index: Option<PathBuf>, out: &str| {
        let request = RunRequest {
            location: Location::parse(source.to_str().unwrap()).unwrap(),
            gbif: None,
            layers: None,
            index,
            riis: None,
            store: Store::folder(&folder.path().join(out)).unwrap(),
            options: Options::default(),
            threads: std::num::NonZeroUsize::new(2),
        };
        run(&request, runtime.handle())
    };
    let built = with(None, "built").unwrap();
    let mapped = with(Some(index.clone()), "mapped").unwrap();
    assert_eq!(mapped.ledger, built.ledger);
    assert_eq!(mapped.manifest.tables, built.manifest.tables);
    assert!(mapped.manifest.reference.index.unwrap().uri.ends_with("/regions.index"));
    // Where the index is not of the run's business, a finished run stays finished.
    assert!(with(Some(index.clone()), "built").unwrap().manifest.reference.index.is_none());

    // A damaged one is found out by the work, a foreign one before anything is written.
    let whole = std::fs::read(&index).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for (content, word) in [
        (damaged, "damaged"),
        (whole[..whole.len() / 2].to_vec(), "bytes"),
        (text(1).into(), "expected a region index"),
    ] {
        std::fs::write(&index, content).unwrap();
        let error = with(Some(index.clone()), "refused").map(|_| ()).unwrap_err();
        assert_eq!(error.name(), ErrorName::BadReferenceData, "{error}");
        assert!(error.to_string().contains(word) && error.to_string().contains("regions build"), "{error}");
    }
}

#[test]
fn a_run_is_made_by_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunStore::new(&Store::folder(folder.path()).unwrap(), &"upload-a".parse().unwrap());
    let held = Held::take(&run, &"upload-a".parse().unwrap()).unwrap();
    let error = Held::take(&run, &"upload-a".parse().unwrap()).err().unwrap();
    assert_eq!(error.name().as_str(), "RunTakenOver", "{error}");
    Held::take(&run, &"upload-b".parse().unwrap()).unwrap();
    drop(held);
    Held::take(&run, &"upload-a".parse().unwrap()).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_run_that_was_cut_off_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("rows.txt"), folder.path().join("out"));
    std::fs::write(&source, text(10)).unwrap();
    let options = serde_json::json!({"subset_records": 4});
    let whole = run_file(&source, &out, options.clone()).unwrap();
    // As if it had ended before the last subset's report, the ledger and the manifest.
    let gone = |path: &PathBuf| {
        ["manifest.json", "ledger.json", "part-00002.json"].iter().any(|end| path.ends_with(end))
    };
    for path in files(&out).iter().filter(|path| gone(path)) {
        std::fs::remove_file(path).unwrap();
    }
    let resumed = run_file(&source, &out, options).unwrap();
    assert_eq!(resumed.ledger, whole.ledger);
    assert_eq!(resumed.manifest.tables, whole.manifest.tables);
}

#[test]
fn a_failed_landing_leaves_nothing_under_a_final_name() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("cut.zip"), folder.path().join("out"));
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("occurrence.txt", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut archive, text(5000).as_bytes()).unwrap();
    let mut bytes = archive.finish().unwrap().into_inner();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0xff; // the central directory is whole, the entry is not
    std::fs::write(&source, bytes).unwrap();

    let error = run_file(&source, &out, serde_json::json!({"subset_records": 100})).map(|_| ()).unwrap_err();
    assert_eq!(error.name(), ErrorName::CorruptArchive, "{error}");
    let left = files(&out);
    assert!(left.iter().all(|path| path.ends_with("plan.json")), "{left:?}");
}

#[test]
fn a_download_without_records_is_a_run_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("none.txt"), folder.path().join("out"));
    std::fs::write(&source, HEADER).unwrap();
    let result = run_file(&source, &out, serde_json::json!({})).unwrap();
    assert_eq!(
        (result.ledger.records.read, result.ledger.records.annotated, result.ledger.subsets),
        (0, 0, 1)
    );
    assert_eq!(result.manifest.tables["annotated"].files.len(), 1);
}

#[test]
fn one_file_in_one_pass_counts_as_the_run_does() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("rows.txt"), folder.path().join("out"));
    std::fs::write(&source, text(10)).unwrap();
    std::fs::create_dir(&out).unwrap();
    let runtime = Runtime::new().unwrap();
    for (columns, files) in [("core", 2), ("none", 1)] {
        let request = crate::one_pass::OnePassRequest {
            source: source.clone(),
            layers: None,
            index: None,
            riis: None,
            out: out.clone(),
            columns: columns.parse().unwrap(),
            threads: std::num::NonZeroUsize::new(2),
        };
        let result = crate::one_pass::one_pass(&request, runtime.handle()).unwrap();
        assert_eq!((result.tally.records, result.tally.annotated), (10, 10));
        assert!(result.files.len() >= files && result.files.iter().all(|file| file.exists()));
    }
}
