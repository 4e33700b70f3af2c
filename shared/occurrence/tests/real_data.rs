//! Real downloads, counted independently; where the data folder is absent the tests say so and pass.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs::File;
use std::path::PathBuf;

use bisonflow_contract::document::SourceKind;
use bisonflow_contract::input::{FilterName, Options};
use bisonflow_occurrence::{Filters, ReadOptions, open};

struct Expected {
    file: &'static str,
    kind: SourceKind,
    read: u64,
    ragged: u64,
    filtered: [u64; 6],
    kept: usize,
}

fn data(file: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/gbif").join(file);
    if !path.exists() {
        eprintln!("not run: there is no {}", path.display());
        return None;
    }
    Some(path)
}

fn check(expected: &Expected) {
    let Some(path) = data(expected.file) else { return };
    let file = File::open(&path).unwrap();
    let bytes = file.metadata().unwrap().len();
    let options = ReadOptions { batch_records: 100, ..ReadOptions::default() };
    let mut download = open(file, expected.file, bytes, options).unwrap();
    assert_eq!(download.kind(), expected.kind);
    assert!(download.metadata().checklist.is_backbone());
    let filters = Filters::new(&Options::default());
    let (mut kept, mut filtered) = (0, [0; 6]);
    while let Some(batch) = download.next_batch().unwrap() {
        let outcome = filters.apply(&batch);
        kept += outcome.keep.true_count();
        assert_eq!(outcome.filtered.len(), 6);
        for (place, name) in FilterName::ALL.iter().take(6).enumerate() {
            filtered[place] += outcome.filtered[name];
        }
    }
    let summary = download.finish().unwrap();
    assert_eq!((summary.records.read, summary.records.ragged), (expected.read, expected.ragged));
    assert_eq!((summary.records.rejected, summary.records.landed), (0, expected.read));
    assert_eq!((filtered, kept), (expected.filtered, expected.kept), "{}", expected.file);
}

#[test]
fn us_2022_600() {
    check(&Expected {
        file: "us-2022-600-dwca.zip",
        kind: SourceKind::Dwca,
        read: 600,
        ragged: 0,
        filtered: [0; 6],
        kept: 600,
    });
}

#[test]
fn us_2023_100() {
    check(&Expected {
        file: "us-2023-100-occurrence.txt",
        kind: SourceKind::Text,
        read: 100,
        ragged: 100,
        filtered: [0, 0, 0, 0, 5, 0],
        kept: 95,
    });
}

#[test]
fn download_of_2014() {
    check(&Expected {
        file: "0000066-140928181241064.zip",
        kind: SourceKind::Dwca,
        read: 470,
        ragged: 0,
        filtered: [222, 0, 140, 2, 43, 0],
        kept: 63,
    });
}

#[test]
fn the_hashes_are_those_of_the_entry() {
    let Some(path) = data("us-2022-600-dwca.zip") else { return };
    let read = common::read(std::fs::read(path).unwrap()).unwrap();
    assert_eq!(read.summary.entry_crc32.as_deref(), Some("a68c5e22"));
    assert_eq!(read.summary.entry_sha256.unwrap().len(), 64);
}
