//! How fast batches of records become Parquet, beside the writer of the `parquet` crate with the same settings.
//!
//! The batches are read from the real rows in `../shared/data` beside the checkout, repeated; without them there is
//! nothing to measure. Records per second are criterion's elements per second.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use std::io::{Cursor, Read};
use std::path::Path;
use std::time::Duration;

use arrow::array::RecordBatch;
use bisonflow_occurrence::parquet_file::{RecordWriter, writer_properties};
use bisonflow_occurrence::{ReadOptions, open};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parquet::arrow::ArrowWriter;
use zip::ZipArchive;

/// Times that the 600 real rows are repeated.
const TIMES: usize = 200;
const ROW_GROUP_RECORDS: usize = 1_000_000;

fn rows() -> Option<Vec<u8>> {
    let path = "../../../shared/data/gbif/us-2022-600-dwca.zip";
    let file = std::fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()?;
    let mut text = Vec::new();
    ZipArchive::new(file).ok()?.by_name("occurrence.txt").ok()?.read_to_end(&mut text).ok()?;
    let header = memchr::memchr(b'\n', &text)? + 1;
    Some([&text[..header], &text[header..].repeat(TIMES)].concat())
}

fn batches(text: Vec<u8>) -> Vec<RecordBatch> {
    let bytes = text.len() as u64;
    let options = ReadOptions { sha256: false, batch_records: 1 << 15, ..ReadOptions::default() };
    let mut download = open(Cursor::new(text), "text", bytes, options).unwrap();
    std::iter::from_fn(|| download.next_batch().unwrap()).collect()
}

fn encode(criterion: &mut Criterion) {
    let Some(text) = rows() else {
        eprintln!("there are no real rows in ../shared/data: nothing is measured");
        return;
    };
    let batches = batches(text);
    let records: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let schema = batches[0].schema();
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(records as u64));
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.bench_function("full table", |bencher| {
        bencher.iter(|| {
            let mut writer = RecordWriter::new(Vec::new(), schema.clone(), ROW_GROUP_RECORDS).unwrap();
            batches.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.finish().unwrap()
        });
    });
    group.bench_function("full table, the parquet crate's writer", |bencher| {
        bencher.iter(|| {
            let properties = Some(writer_properties(ROW_GROUP_RECORDS));
            let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), properties).unwrap();
            batches.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.into_inner().unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
