//! How fast texts become record batches.
//!
//! The text is made of the real 257-column rows in `../shared/data` beside the checkout, repeated, or of
//! synthetic ones where there are none. Records per second are criterion's elements per second.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use std::hint::black_box;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bisonflow_occurrence::schema::CORE_COLUMNS;
use bisonflow_occurrence::schema::columns;
use bisonflow_occurrence::{ReadOptions, open};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

const TEXT_BYTES: usize = 96 << 20;

fn real() -> Option<Vec<u8>> {
    let path = "../../../shared/data/gbif/us-2022-600-dwca.zip";
    let file = std::fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()?;
    let mut text = Vec::new();
    ZipArchive::new(file).ok()?.by_name("occurrence.txt").ok()?.read_to_end(&mut text).ok()?;
    Some(text)
}

fn synthetic() -> Vec<u8> {
    let names = columns().iter().map(|column| column.name.to_owned());
    let header: Vec<String> = names.chain((53..257).map(|column| format!("unused{column}"))).collect();
    let mut text = header.join("\t");
    for row in 0..600 {
        text.push('\n');
        for (column, name) in header.iter().enumerate() {
            match name.as_str() {
                "decimallatitude" => text += &format!("{}", 40.0 + f64::from(row) / 700.0),
                "decimallongitude" => text += &format!("{}", -100.0 - f64::from(row) / 700.0),
                "year" => text += "2021",
                "lastinterpreted" => text += "2021-11-23T10:11:12.345Z",
                _ if CORE_COLUMNS.contains(&name.as_str()) => text += &format!("{name} {row}"),
                _ if column % 5 == 0 => text += "something",
                _ => {}
            }
            text.push('\t');
        }
        text.pop();
    }
    text.push('\n');
    text.into_bytes()
}

/// A long text, and how many records it has.
fn text() -> (Vec<u8>, u64) {
    let rows = real().unwrap_or_else(|| {
        eprintln!("there are no real rows in ../shared/data: synthetic ones are read");
        synthetic()
    });
    let header = memchr::memchr(b'\n', &rows).unwrap() + 1;
    let times = TEXT_BYTES / rows.len();
    let records = memchr::memchr_iter(b'\n', &rows[header..]).count() * times;
    ([&rows[..header], &rows[header..].repeat(times)].concat(), records as u64)
}

/// Reads all, and gives the number of records.
fn read(bytes: &Arc<[u8]>, name: &str, options: &ReadOptions) -> u64 {
    let length = bytes.len() as u64;
    let mut download = open(Cursor::new(Arc::clone(bytes)), name, length, options.clone()).unwrap();
    while let Some(batch) = download.next_batch().unwrap() {
        black_box(batch);
    }
    download.finish().unwrap().records.landed
}

fn texts(criterion: &mut Criterion) {
    let (text, records) = text();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("occurrence.txt", SimpleFileOptions::default()).unwrap();
    zip.write_all(&text).unwrap();
    let zip: Arc<[u8]> = zip.finish().unwrap().into_inner().into();
    let text: Arc<[u8]> = text.into();

    let columns = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    let plain = ReadOptions { sha256: false, ..ReadOptions::default() };
    let split = ReadOptions { columns: columns(&[]), ..plain.clone() };
    let core = ReadOptions { columns: columns(&CORE_COLUMNS), ..plain.clone() };
    let hashed = ReadOptions { sha256: true, ..core.clone() };
    let two = |options: &ReadOptions| ReadOptions { threads: 2, ..options.clone() };
    let mut group = criterion.benchmark_group("text");
    group.throughput(Throughput::Elements(records)).sample_size(10).measurement_time(Duration::from_secs(5));
    for (name, bytes, options) in [
        ("split only", &text, &split),
        ("core", &text, &core),
        ("core and SHA-256", &text, &hashed),
        ("core, 2 threads", &text, &two(&core)),
        ("full", &text, &plain),
        ("full, 2 threads", &text, &two(&plain)),
        ("zip, split only", &zip, &split),
        ("zip, core", &zip, &core),
        ("zip, full", &zip, &plain),
        ("zip, full and SHA-256, 2 threads", &zip, &two(&ReadOptions::default())),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(read(bytes, "text", options), records));
        });
    }
    group.finish();
}

criterion_group!(benches, texts);
criterion_main!(benches);
