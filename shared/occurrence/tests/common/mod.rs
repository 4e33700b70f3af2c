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

/// How an archive is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GbifLayout {
    /// Sizes in the data descriptors have 8 bytes, not 4.
    pub(crate) wide: bool,
    /// Sizes and offsets of the central directory are in zip64 fields.
    pub(crate) zip64: bool,
    /// So many bytes of an entry `verbatim.txt` stand first; they are zeros that take no memory.
    pub(crate) before: u64,
    /// What the central directory says of the length of the inflated entry; absent for the truth.
    pub(crate) claimed: Option<u64>,
}

/// A file that begins with some bytes, goes on with zeros and ends with other bytes.
#[derive(Clone, Debug)]
pub(crate) struct Sparse {
    start: Vec<u8>,
    zeros: u64,
    end: Vec<u8>,
    position: u64,
}

impl Sparse {
    pub(crate) fn length(&self) -> u64 {
        self.start.len() as u64 + self.zeros + self.end.len() as u64
    }
}

impl std::io::Read for Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let (start, hole_end) = (self.start.len() as u64, self.start.len() as u64 + self.zeros);
        let count = if self.position < start {
            let rest = &self.start[self.position as usize..];
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            count
        } else if self.position < hole_end {
            let count = (hole_end - self.position).min(buffer.len() as u64) as usize;
            buffer[..count].fill(0);
            count
        } else {
            let rest = self.end.get((self.position - hole_end) as usize..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            count
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl std::io::Seek for Sparse {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.position = match to {
            std::io::SeekFrom::Start(position) => position,
            std::io::SeekFrom::Current(by) => self.position.checked_add_signed(by).unwrap(),
            std::io::SeekFrom::End(by) => self.length().checked_add_signed(by).unwrap(),
        };
        Ok(self.position)
    }
}

/// An archive of `occurrence.txt` byte by byte as GBIF writes it: flags 0x0808, nothing in the local headers, not even
/// a zip64 field; checksum and sizes behind the data and in the central directory.
pub(crate) fn gbif_zip(text: &[u8], layout: GbifLayout) -> Sparse {
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    for piece in text.chunks(50) {
        deflate.write_all(piece).unwrap();
        deflate.flush().unwrap(); // SYNC_FLUSH
    }
    let deflated = deflate.finish().unwrap();
    let crc32 = crc32fast::hash(text);
    let le = |values: &[(u64, usize)]| -> Vec<u8> {
        values.iter().flat_map(|&(value, width)| value.to_le_bytes()[..width].to_vec()).collect()
    };
    let local = |name: &str, method: u64| {
        let fields = [
            (0x0403_4b50, 4),
            (20, 2),
            (0x0808, 2),
            (method, 2),
            (0, 4),
            (0, 4),
            (0, 4),
            (0, 4),
            (name.len() as u64, 2),
            (0, 2),
        ];
        [le(&fields), name.as_bytes().to_vec()].concat()
    };
    let width = if layout.wide { 8 } else { 4 };
    let descriptor = |crc32: u32, packed: u64, size: u64| {
        le(&[(0x0807_4b50, 4), (u64::from(crc32), 4), (packed, width), (size, width)])
    };
    let central = |name: &str, method: u64, crc32: u32, packed: u64, size: u64, offset: u64| {
        let field = |value: u64| if layout.zip64 { 0xffff_ffff } else { value };
        let extra =
            if layout.zip64 { le(&[(1, 2), (24, 2), (size, 8), (packed, 8), (offset, 8)]) } else { vec![] };
        let fields = [
            (0x0201_4b50, 4),
            (20, 2),
            (45, 2),
            (0x0808, 2),
            (method, 2),
            (0, 4),
            (u64::from(crc32), 4),
            (field(packed), 4),
            (field(size), 4),
            (name.len() as u64, 2),
            (extra.len() as u64, 2),
            (0, 2),
            (0, 2),
            (0, 2),
            (0, 4),
            (field(offset), 4),
        ];
        [le(&fields), name.as_bytes().to_vec(), extra].concat()
    };
    let start = local("verbatim.txt", 0);
    let mut end = descriptor(0, layout.before, layout.before);
    let hole_end = start.len() as u64 + layout.before;
    let offset = hole_end + end.len() as u64;
    end.extend(local("occurrence.txt", 8));
    end.extend(&deflated);
    end.extend(descriptor(crc32, deflated.len() as u64, text.len() as u64));
    let directory = hole_end + end.len() as u64;
    let size = layout.claimed.unwrap_or(text.len() as u64);
    let entries = [
        central("verbatim.txt", 0, 0, layout.before, layout.before, 0),
        central("occurrence.txt", 8, crc32, deflated.len() as u64, size, offset),
    ]
    .concat();
    let entries_bytes = entries.len() as u64;
    end.extend(entries);
    if layout.zip64 {
        let at = hole_end + end.len() as u64;
        end.extend(le(&[
            (0x0606_4b50, 4),
            (44, 8),
            (45, 2),
            (45, 2),
            (0, 4),
            (0, 4),
            (2, 8),
            (2, 8),
            (entries_bytes, 8),
            (directory, 8),
        ]));
        end.extend(le(&[(0x0706_4b50, 4), (0, 4), (at, 8), (1, 4)]));
        end.extend(le(&[
            (0x0605_4b50, 4),
            (0, 2),
            (0, 2),
            (0xffff, 2),
            (0xffff, 2),
            (0xffff_ffff, 4),
            (0xffff_ffff, 4),
            (0, 2),
        ]));
    } else {
        end.extend(le(&[
            (0x0605_4b50, 4),
            (0, 2),
            (0, 2),
            (2, 2),
            (2, 2),
            (entries_bytes, 4),
            (directory, 4),
            (0, 2),
        ]));
    }
    Sparse { start, zeros: layout.before, end, position: 0 }
}
