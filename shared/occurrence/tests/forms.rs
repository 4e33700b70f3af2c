//! The forms of a download: recognised by content, refused with a reason, read without harm.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::io::{Cursor, Seek, SeekFrom};

use bisonflow_contract::document::SourceKind;
use bisonflow_contract::{ErrorName, StepError};
use bisonflow_occurrence::{OccurrenceError, ReadOptions, open};
use common::{GbifLayout, gbif_zip, read, read_with, streamed_zip, zip};
use proptest::prelude::{ProptestConfig, any, proptest};

const TEXT: &[u8] = b"gbifID\tdecimalLatitude\tdecimalLongitude\n1\t40\t-100\n2\t41\t-101\n";
const META: &[u8] = br#"<archive xmlns="http://rs.tdwg.org/dwc/text/">
  <core encoding="UTF-8" fieldsTerminatedBy="\t" linesTerminatedBy="\n" fieldsEnclosedBy="" ignoreHeaderLines="1">
    <files><location>occurrence.txt</location></files><id index="0"/>
    <field index="1" term="http://rs.tdwg.org/dwc/terms/decimalLatitude"/>
    <field index="2" term="http://rs.tdwg.org/dwc/terms/decimalLongitude"/>
    <field default="US" term="http://rs.tdwg.org/dwc/terms/countryCode"/></core></archive>"#;

fn name_of(error: OccurrenceError) -> (ErrorName, String) {
    let step = StepError::from(error);
    (step.name(), step.to_string())
}

fn refused(bytes: impl Into<Vec<u8>>) -> String {
    let (name, sentence) = name_of(read(bytes).unwrap_err());
    assert_eq!(name, ErrorName::UnsupportedFormat, "{sentence}");
    sentence
}

#[test]
fn zips_are_recognised_by_their_entries() {
    for (entries, kind) in [
        (&[("verbatim.txt", TEXT), ("occurrence.txt", TEXT), ("meta.xml", META)][..], SourceKind::Dwca),
        (&[("occurrence.txt", TEXT)], SourceKind::Dwca),
        (&[("meta.xml", b"<archive>"), ("occurrence.txt", TEXT)], SourceKind::Dwca),
        (&[("folder/occurrence.txt", TEXT), ("__MACOSX/folder/occurrence.txt", b"")], SourceKind::Dwca),
        (&[("0001234-230918134249559.csv", TEXT)], SourceKind::SimpleCsv),
        (&[("some.TSV", TEXT), ("__MACOSX/._some.TSV", b"x")], SourceKind::SimpleCsv),
    ] {
        for bytes in [zip(entries), streamed_zip(entries)] {
            let read = read(bytes).unwrap();
            assert_eq!(read.kind, kind, "{:?}", entries[0].0);
            assert_eq!(read.column("gbifid"), ["1", "2"]);
            assert_eq!(read.column("decimallongitude"), ["-100.0", "-101.0"]);
            assert!(read.metadata.checklist.is_backbone());
            // The hashes are those of the text, whatever holds it.
            assert_eq!(read.summary.entry_crc32, common::read(TEXT).unwrap().summary.entry_crc32);
            assert_eq!(read.summary.entry_sha256, common::read(TEXT).unwrap().summary.entry_sha256);
        }
    }
}

#[test]
fn a_streamed_zip_has_no_sizes_in_its_local_headers() {
    let bytes = streamed_zip(&[("occurrence.txt", TEXT)]);
    let flags = u16::from_le_bytes([bytes[6], bytes[7]]);
    assert_eq!(flags & 0x8, 0x8, "bit 3: the sizes follow the data");
    assert_eq!(bytes[14..26], [0; 12]);
}

/// The records of `occurrence.txt` in an archive that GBIF could have written.
fn records_of(layout: GbifLayout) -> Result<u64, OccurrenceError> {
    let rows: String = (0..500).map(|id| format!("{id}\t40\t-100\n")).collect();
    let archive = gbif_zip(&[TEXT, rows.as_bytes()].concat(), layout);
    let length = archive.length();
    let mut download = open(archive, "gbif.zip", length, ReadOptions::default())?;
    while download.next_batch()?.is_some() {}
    Ok(download.finish()?.records.landed)
}

#[test]
fn archives_are_read_as_gbif_writes_them() {
    let layout = GbifLayout { wide: false, zip64: false, before: 0, claimed: None };
    for (wide, zip64) in [(false, false), (true, false), (false, true), (true, true)] {
        for before in [0, 1000] {
            let layout = GbifLayout { wide, zip64, before, ..layout };
            assert_eq!(records_of(layout).unwrap(), 502, "{layout:?}");
        }
    }
    // verbatim.txt, which comes first, may be larger than 32 bits can say, and so may be the place of what follows.
    let large = GbifLayout { wide: true, zip64: true, before: 90 << 30, ..layout };
    assert_eq!(records_of(large).unwrap(), 502);
}

#[test]
fn a_zip_bomb_is_refused_before_it_is_inflated() {
    let layout = GbifLayout { wide: true, zip64: true, before: 0, claimed: Some(300 << 30) };
    let (name, sentence) = name_of(records_of(layout).unwrap_err());
    assert_eq!(name, ErrorName::UnsupportedFormat, "{sentence}");
    assert!(sentence.contains("occurrence.txt") && sentence.contains("322122547200"), "{sentence}");
}

#[test]
fn the_description_gives_constants() {
    let read = read(zip(&[("occurrence.txt", TEXT), ("meta.xml", META)])).unwrap();
    assert_eq!(read.column("countrycode"), ["US", "US"]);
}

#[test]
fn metadata_are_read() {
    let eml = br#"<eml:eml xmlns:eml="eml://ecoinformatics.org/eml-2.1.1"><dataset>
        <alternateIdentifier>10.15468/dl.abc123</alternateIdentifier><abstract>
        <para>A dataset containing 2 species occurrences available in GBIF matching the query: {}</para>
        </abstract></dataset></eml:eml>"#;
    let read = read(zip(&[("metadata.xml", eml), ("occurrence.txt", TEXT)])).unwrap();
    assert_eq!(read.metadata.doi.as_deref(), Some("10.15468/dl.abc123"));
    assert_eq!(read.metadata.records_declared, Some(read.summary.records.read));
}

#[test]
fn what_is_no_download_is_refused_with_what_was_found() {
    for (bytes, found) in [
        (&b""[..], "an empty file"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image"),
        (b"\x1f\x8b\x08\0", "a gzip file"),
        (b"<html><body>404</body></html>", "an XML or HTML document"),
        (b"gbifID,decimalLatitude,decimalLongitude\n1,2,3\n", "separated by commas"),
        (b"gbifID\tspecies\n1\tx\n", "without decimallatitude"),
        (b"id\tdecimalLatitude\tdecimalLongitude\n1\t2\t3\n", "without gbifid"),
        (b"just some words\n", "without gbifid"),
        (b"\x00\x01\x02\x03\xff\xfe", "bytes that are no text"),
        (b"\n\n", "without gbifid"),
    ] {
        let sentence = refused(bytes);
        assert!(sentence.contains(found), "{sentence}");
        assert!(sentence.starts_with("test.zip") && sentence.contains("expected"), "{sentence}");
    }
}

#[test]
fn zips_without_occurrences_are_refused() {
    assert!(refused(zip(&[])).contains("without files"));
    assert!(refused(zip(&[("photo.png", b"x"), ("b.xml", b"y")])).contains("photo.png"));
    assert!(refused(zip(&[("a.csv", TEXT), ("b.csv", TEXT)])).contains("2 files: a.csv, b.csv"));
    assert!(refused(zip(&[("a.csv", b"a,b,c\n1,2,3\n")])).contains("separated by commas"));
    assert!(refused(zip(&[("occurrence.txt", b"")])).contains("an empty file"));
}

/// Exchanges a name for another of the same length, in the bytes: the writer itself would clean or refuse it.
fn rename(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

#[test]
fn names_that_lead_out_of_the_archive_are_refused() {
    for name in ["../occurrence.txt", "/occurrence.txt", "a/../../x.txt", "C:\\occurrence.txt", "..\\x.txt"] {
        let plain = "x".repeat(name.len());
        let bytes = rename(zip(&[(&plain, TEXT)]), &plain, name);
        assert!(refused(bytes).contains("leads out of the archive"), "{name}");
    }
}

#[test]
fn of_two_entries_of_one_name_none_is_dropped_silently() {
    let two = zip(&[("occurrence.txt", TEXT), ("occurrence.tmp", TEXT)]);
    assert!(refused(rename(two, "occurrence.tmp", "occurrence.txt")).contains("several entries of one name"));
}

#[test]
fn encrypted_entries_are_refused() {
    let mut bytes = zip(&[("occurrence.txt", TEXT)]);
    for (mark, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = bytes.windows(4).position(|window| window == mark).unwrap();
        bytes[at + flags] |= 1;
    }
    assert!(refused(bytes).contains("encrypted"));
}

#[test]
fn damaged_zips_are_corrupt() {
    let rows: String = (0..2000).map(|i| format!("{i}\t{}\t-100\n", i % 90)).collect();
    let text = [TEXT, rows.as_bytes()].concat();
    let whole = zip(&[("occurrence.txt", &text)]);
    let truncated = whole[..whole.len() / 2].to_vec();
    let mut wrong_crc = whole.clone();
    let directory = whole.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    wrong_crc[directory + 16] ^= 1;
    let mut wrong_size = whole.clone();
    wrong_size[directory + 24] ^= 1;
    let mut wrong_data = whole.clone();
    for byte in &mut wrong_data[200..260] {
        *byte = 0xff;
    }
    for (what, bytes) in
        [("truncated", truncated), ("crc", wrong_crc), ("size", wrong_size), ("data", wrong_data)]
    {
        let (name, sentence) = name_of(read(bytes.clone()).unwrap_err());
        assert_eq!(name, ErrorName::CorruptArchive, "{what}: {sentence}");
        let options = ReadOptions { threads: 3, batch_records: 100, ..ReadOptions::default() };
        assert_eq!(name_of(read_with(bytes, options).unwrap_err()), (name, sentence), "{what}");
    }
}

#[test]
fn threads_give_the_same_batches_in_the_same_order() {
    let rows: String = (0..5000).map(|i| format!("{i}\t{}\t-100\n", i % 90)).collect();
    let bytes = zip(&[("occurrence.txt", &[TEXT, b"\t1\t2\n", rows.as_bytes()].concat())]);
    let options = |threads| ReadOptions { threads, batch_records: 300, ..ReadOptions::default() };
    let one = read_with(bytes.clone(), options(1)).unwrap();
    assert_eq!((one.summary.records.landed, one.summary.records.rejected), (5002, 1));
    for threads in [2, 5] {
        let several = read_with(bytes.clone(), options(threads)).unwrap();
        assert_eq!(several.batches, one.batches);
        assert_eq!((several.summary, several.rejects), (one.summary.clone(), one.rejects.clone()));
    }
    let length = bytes.len() as u64;
    // Nobody has to read to the end.
    let mut download = open(Cursor::new(bytes), "x", length, options(2)).unwrap();
    assert!(download.next_batch().unwrap().is_some());
}

/// Fails once it has been read for a while, as a connection does.
struct Breaking(Cursor<Vec<u8>>, u64);

impl std::io::Read for Breaking {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0.position() >= self.1 {
            return Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "connection reset"));
        }
        let length = buffer.len().min(512);
        self.0.read(&mut buffer[..length])
    }
}

impl Seek for Breaking {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_source_that_fails_is_unavailable_not_corrupt() {
    let rows: String = (0..5000).map(|i| format!("{i}\t{}\t-100\n", i % 90)).collect();
    let text = [TEXT, rows.as_bytes()].concat();
    let length = text.len() as u64;
    let result = open(Breaking(Cursor::new(text), 2000), "x", length, ReadOptions::default())
        .and_then(|download| download.collect::<Result<Vec<_>, _>>());
    let (name, sentence) = name_of(result.unwrap_err());
    assert_eq!(name, ErrorName::SourceUnavailable, "{sentence}");
    assert!(sentence.contains("connection reset"), "{sentence}");
    let bytes = zip(&[("occurrence.txt", TEXT)]);
    let length = bytes.len() as u64;
    let error = open(Breaking(Cursor::new(bytes), 10), "x", length, ReadOptions::default()).err().unwrap();
    assert_eq!(name_of(error).0, ErrorName::SourceUnavailable);
}

#[test]
fn the_summary_before_the_end_is_a_mistake() {
    let download = open(Cursor::new(TEXT), "x", TEXT.len() as u64, ReadOptions::default()).unwrap();
    assert_eq!(name_of(download.finish().unwrap_err()).0, ErrorName::Internal);
}

/// Reads whatever the bytes are; only errors are allowed, no panic.
fn survive(bytes: Vec<u8>) {
    let length = bytes.len() as u64;
    if let Ok(download) = open(Cursor::new(bytes), "fuzz", length, ReadOptions::default()) {
        for batch in download {
            drop(batch);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_bytes_do_no_harm(
        start in 0usize..5,
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        let starts: [&[u8]; 5] = [b"", b"PK\x03\x04", b"PAR1", b"gbifID\tdecimalLatitude\tdecimalLongitude\n", b"\xef\xbb\xbf"];
        survive([starts[start], &bytes].concat());
    }

    #[test]
    fn changed_zips_do_no_harm(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8)) {
        let mut bytes = zip(&[("meta.xml", META), ("metadata.xml", b"<eml/>"), ("occurrence.txt", TEXT)]);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        survive(bytes);
    }
}
