use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::document::Landing;
use bisonflow_contract::{ErrorName, StepError};
use tokio::runtime::Runtime;

use super::{LandRequest, land};
use crate::location::Location;
use crate::remote_file::server::{Fault, FileServer};
use crate::sample;
use crate::stop::Stop;

/// A download of so many synthetic records, as a zip.
fn download(records: u64, seed: u64) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::read(sample::write(folder.path(), records, seed).unwrap().zip).unwrap()
}

/// Lands in parts of a row group of 500 records each.
fn land_from(source: &str, out: &Path, runtime: &Runtime, stop: Stop) -> Result<Landing, StepError> {
    let location = Location::parse(source).unwrap();
    let run_id = "gbif-1".parse().unwrap();
    let run = RunStore::new(&Store::folder(out).unwrap(), &run_id);
    let request = LandRequest {
        run: &run,
        run_id,
        generation: 1,
        location: &location,
        source_identity: Some("etag v0, 1 bytes".into()),
        columns: vec!["all".into()],
        only: None,
        sha256: true,
        row_group_records: 500,
        part_bytes: 1,
        checklist: None,
        gbif: None,
        threads: NonZeroUsize::new(2),
        stop,
    };
    land(&request, runtime.handle())
}

fn parts(out: &Path, landing: &Landing) -> Vec<Vec<u8>> {
    landing.parts.iter().map(|part| std::fs::read(out.join(&part.uri)).unwrap()).collect()
}

#[test]
fn a_bad_line_changes_nothing_of_what_lands() {
    let (runtime, folder) = (Runtime::new().unwrap(), tempfile::tempdir().unwrap());
    let zip = download(3000, 1);
    let file = folder.path().join("a.zip");
    std::fs::write(&file, &zip).unwrap();
    let [here, there] = ["here", "there"].map(|name| folder.path().join(name));
    let expected = land_from(file.to_str().unwrap(), &here, &runtime, Stop::default()).unwrap();
    assert_eq!((expected.records.landed, expected.parts.len()), (3000, 6));

    let server = FileServer::start("a.zip", zip, |number| match number % 4 {
        0 => None,
        1 => Some(Fault::Lost(number * 3000)),
        2 => Some(Fault::Busy(None)),
        _ => Some(Fault::WrongRange),
    });
    let landed = land_from(&server.url, &there, &runtime, Stop::default()).unwrap();
    assert_eq!(landed.records, expected.records);
    assert!(
        landed.source.entry_sha256.is_some() && landed.source.entry_sha256 == expected.source.entry_sha256
    );
    assert_eq!(parts(&there, &landed), parts(&here, &expected));
    assert_eq!(landed.source.etag.as_deref(), Some("v0"));
}

#[test]
fn a_landing_goes_on_where_it_was_stopped() {
    let (runtime, folder) = (Runtime::new().unwrap(), tempfile::tempdir().unwrap());
    let (out, whole) = (folder.path().join("out"), folder.path().join("whole"));
    let server = FileServer::start("a.zip", download(3000, 1), |_| None);
    let expected = land_from(&server.url, &whole, &runtime, Stop::default()).unwrap();
    assert!(!whole.join("runs/run=gbif-1/checkpoints/landing.json").exists());

    // It is stopped as soon as two parts are there.
    let stop = Stop::default();
    let (teller, ended) = (stop.clone(), Arc::new(AtomicBool::new(false)));
    let (third, over) = (out.join("occurrences/run=gbif-1/part-00001.parquet"), Arc::clone(&ended));
    let watcher = std::thread::spawn(move || {
        while !third.exists() && !over.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        teller.stop(StepError::SpotInterrupted("two minutes".into()));
    });
    let stopped = land_from(&server.url, &out, &runtime, stop);
    ended.store(true, Ordering::SeqCst);
    watcher.join().unwrap();
    if let Err(error) = &stopped {
        assert_eq!(error.name(), ErrorName::SpotInterrupted);
        assert!(!out.join("runs/run=gbif-1/landing.json").exists());
        // What is finished is not made again: other bytes of the same length would stay.
        let first = out.join("occurrences/run=gbif-1/part-00000.parquet");
        let bytes = std::fs::read(&first).unwrap();
        std::fs::write(&first, vec![0; bytes.len()]).unwrap();
        land_from(&server.url, &out, &runtime, Stop::default()).unwrap();
        assert!(std::fs::read(&first).unwrap().iter().all(|&byte| byte == 0));
        std::fs::write(&first, bytes).unwrap();
    }
    let landed = land_from(&server.url, &out, &runtime, Stop::default()).unwrap();
    assert_eq!(
        (landed.records, &landed.source.entry_sha256),
        (expected.records, &expected.source.entry_sha256)
    );
    assert_eq!(parts(&out, &landed), parts(&whole, &expected));
}

#[test]
fn who_waits_for_a_silent_server_is_stopped_at_once() {
    let (runtime, folder) = (Runtime::new().unwrap(), tempfile::tempdir().unwrap());
    let server =
        FileServer::start("a.zip", download(100, 1), |number| (number > 0).then_some(Fault::Busy(Some(500))));
    let stop = Stop::default();
    let teller = stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        teller.stop(StepError::SpotInterrupted("two minutes".into()));
    });
    let begun = std::time::Instant::now();
    let error = land_from(&server.url, &folder.path().join("out"), &runtime, stop).unwrap_err();
    assert_eq!(error.name(), ErrorName::SpotInterrupted, "{error}");
    assert!(begun.elapsed().as_secs() < 100);
}

#[test]
fn a_source_that_changes_is_landed_from_its_beginning() {
    let (runtime, folder) = (Runtime::new().unwrap(), tempfile::tempdir().unwrap());
    let (old, new) = (download(60_000, 1), download(4000, 2));
    let server = Arc::new(std::sync::OnceLock::<FileServer>::new());
    let (in_faults, content) = (Arc::clone(&server), new.clone());
    let started = FileServer::start("a.zip", old, move |number| {
        if number == 5 {
            in_faults.get()?.replace(content.clone());
        }
        None
    });
    let server = server.get_or_init(|| started);
    let landed = land_from(&server.url, &folder.path().join("out"), &runtime, Stop::default()).unwrap();
    assert!(server.asked() > 6);
    assert_eq!((landed.records.landed, landed.source.etag.as_deref()), (4000, Some("v1")));
    assert_eq!((landed.source.bytes, landed.source_identity), (new.len() as u64, None));
}

#[test]
fn a_source_that_fails_for_good_leaves_nothing() {
    let (runtime, folder) = (Runtime::new().unwrap(), tempfile::tempdir().unwrap());
    let out = folder.path().join("out");
    let server =
        FileServer::start("a.zip", download(60_000, 1), |number| (number > 5).then_some(Fault::Gone));
    let error = land_from(&server.url, &out, &runtime, Stop::default()).unwrap_err();
    assert_eq!(error.name(), ErrorName::DownloadNotAvailable, "{error}");
    assert!(!out.join("runs").exists() && !out.join("occurrences").exists());
}
