//! What several test files need: sources in memory and what reading them gives.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(dead_code, reason = "no test file uses all of it")]

use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::TimestampMillisecondType;
use bisonflow_contract::document::SourceKind;
use bisonflow_occurrence::{OccurrenceError, ReadOptions, ReadSummary, open};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A download, read to its end.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) kind: SourceKind,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) summary: ReadSummary,
    pub(crate) rejects: String,
    pub(crate) metadata: bisonflow_occurrence::source::Metadata,
}

impl Read {
    /// The values of a column as text, `-` for null.
    pub(crate) fn column(&self, name: &str) -> Vec<String> {
        let mut values = Vec::new();
        for batch in &self.batches {
            let column = batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
            // Without a database of time zones, "UTC" cannot be shown.
            let column: ArrayRef = match column.as_primitive_opt::<TimestampMillisecondType>() {
                Some(times) => Arc::new(times.clone().with_timezone_opt::<Arc<str>>(None)),
                None => Arc::clone(column),
            };
            let options = arrow::util::display::FormatOptions::new().with_null("-");
            let texts = arrow::util::display::ArrayFormatter::try_new(&column, &options).unwrap();
            values.extend((0..batch.num_rows()).map(|row| texts.value(row).to_string()));
        }
        values
    }
}

/// A writer whose content can be read while somebody else holds it.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Opens and reads bytes to their end.
pub(crate) fn read_with(bytes: impl Into<Vec<u8>>, options: ReadOptions) -> Result<Read, OccurrenceError> {
    let bytes = bytes.into();
    let length = bytes.len() as u64;
    let kept = Kept::default();
    let download = open(Cursor::new(bytes), "test.zip", length, options)?;
    let mut download = download.with_rejects(Box::new(kept.clone()));
    let mut batches = Vec::new();
    while let Some(batch) = download.next_batch()? {
        assert!(batch.num_rows() > 0);
        assert_eq!(batch.schema(), download.schema());
        batches.push(batch);
    }
    let (kind, metadata) = (download.kind(), download.metadata().clone());
    let summary = download.finish()?;
    let records = summary.records;
    assert_eq!(records.read, records.rejected + records.landed);
    assert_eq!(records.landed, batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
    let keys = summary.taxon_keys;
    assert_eq!(records.landed, keys.numeric + keys.other + keys.none);
    let rejects = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let lines = rejects.lines().count() as u64;
    assert_eq!(lines, 1 + records.rejected + summary.unparsed.values().sum::<u64>());
    Ok(Read { kind, batches, summary, rejects, metadata })
}

pub(crate) fn read(bytes: impl Into<Vec<u8>>) -> Result<Read, OccurrenceError> {
    read_with(bytes, ReadOptions::default())
}

/// An archive with these entries, deflated.
pub(crate) fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The same, written as GBIF does: to a stream, sizes after the data.
pub(crate) fn streamed_zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new_stream(Vec::new());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
