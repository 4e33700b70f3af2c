//! The reader against a plain one: row by row, cell by cell, all text in memory.

use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::bytes_in::{EntryBytes, Hashes, Source};
use super::text::{Limits, TextReader};
use super::{ReadOptions, count_taxon_key};
use crate::Place;
use crate::issue::is_geospatial;
use crate::schema::{ColumnKind, columns};
use crate::value;
use bisonflow_contract::document::TaxonKeyShapes;

const HEADER: [&str; 13] = [
    "abstract",
    "taxonKey",
    "habitat",
    "gbifID",
    "decimalLatitude",
    "decimalLongitude",
    "county",
    "year",
    "lastInterpreted",
    "recordedBy",
    "issue",
    "hasGeospatialIssues",
    "species",
];

/// All that reading gives.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// Of every record, every column as text.
    records: Vec<Vec<Option<String>>>,
    aside: String,
    read: u64,
    ragged: u64,
    rejected: u64,
    unparsed: u64,
    differs: u64,
    keys: TaxonKeyShapes,
}

/// What a plain reader makes of it.
fn plain(text: &[u8], chosen: &[&str], limit: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let mut lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    if lines.len() > 1 && matches!(lines.last(), Some(&(b"\n" | b"\r\n" | b"\r"))) {
        lines.pop();
    }
    let mut offset = lines[0].len();
    for (number, line) in lines.iter().enumerate().skip(1) {
        plain_row(&mut outcome, line, (number + 1, offset), chosen, limit);
        offset += line.len();
    }
    outcome.aside = with_blank_lines_together(&outcome.aside);
    outcome
}

/// Blank lines that follow each other are one line, with how many they are.
fn with_blank_lines_together(aside: &str) -> String {
    let number = |line: &str| line.split('\t').nth(1).and_then(|number| number.parse::<u64>().ok());
    let mut runs: Vec<Vec<&str>> = Vec::new();
    for line in aside.lines() {
        let is_blank = |line: &str| line.ends_with("\tblank line\t");
        match runs.last_mut() {
            Some(run)
                if is_blank(line)
                    && is_blank(run[0])
                    && number(line) == number(run[0]).map(|first| first + run.len() as u64) =>
            {
                run.push(line);
            }
            _ => runs.push(vec![line]),
        }
    }
    let line = |run: Vec<&str>| match run.len() {
        1 => format!("{}\n", run[0]),
        count => format!("{}s\t{count}\n", run[0].trim_end_matches('\t')),
    };
    runs.into_iter().map(line).collect()
}

fn plain_row(out: &mut Outcome, line: &[u8], at: (usize, usize), chosen: &[&str], limit: usize) {
    out.read += 1;
    let raw = line.strip_suffix(b"\n").unwrap_or(line);
    let row = raw.strip_suffix(b"\r").unwrap_or(raw);
    let text = std::str::from_utf8(row);
    let fields: Vec<&str> = text.unwrap_or_default().split('\t').collect();
    let cell = |name: &str| {
        let place = HEADER.iter().position(|other| other.to_lowercase() == name);
        value::unquote(place.and_then(|place| fields.get(place).copied()).unwrap_or_default()).into_owned()
    };
    let gbifid = cell("gbifid").trim().to_owned();
    let (reason, id, kept) = if raw.len() > limit {
        ("over-long row", "", &raw[..limit.min(4096)])
    } else if row.is_empty() {
        ("blank line", "", row)
    } else if text.is_err() {
        ("bad UTF-8", "", row)
    } else if fields.len() > HEADER.len() {
        ("more fields than the header", gbifid.as_str(), row)
    } else if gbifid.chars().all(|one| one.is_whitespace() || one.is_control()) {
        ("no gbifID", "", row)
    } else {
        ("", "", row)
    };
    let (number, offset) = at;
    if !reason.is_empty() {
        out.rejected += 1;
        out.aside += &format!(
            "rejected\t{number}\t{offset}\t{}\t\t{reason}\t{}\n",
            escape(id.as_bytes()),
            escape(kept)
        );
        return;
    }
    out.ragged += u64::from(fields.len() < HEADER.len());
    let mut record = Vec::new();
    for column in columns().iter().filter(|column| chosen.contains(&column.name)) {
        let cell = cell(column.name);
        let value = match column.kind {
            ColumnKind::String => Some(cell.clone()),
            ColumnKind::Int => cell.trim_ascii().parse::<i32>().ok().map(|value| value.to_string()),
            ColumnKind::Double => {
                let value = cell.trim_ascii().parse::<f64>().ok().filter(|value| value.is_finite());
                value.map(|value| value.to_string())
            }
            ColumnKind::Timestamp => value::timestamp_ms(&cell).map(|value| value.to_string()),
            ColumnKind::StringList => {
                let items: Vec<&str> =
                    cell.split(';').map(str::trim).filter(|item| !item.is_empty()).collect();
                Some(items.join("\n"))
            }
        };
        if value.is_none() && !cell.is_empty() {
            out.unparsed += 1;
            let (id, name) = (escape(gbifid.as_bytes()), column.name);
            let text = escape(cell.as_bytes());
            out.aside += &format!(
                "unparsed\t{number}\t{offset}\t{id}\t{name}\tdoes not parse to the column's type\t{text}\n"
            );
        }
        record.push(value.filter(|value| !value.is_empty()));
    }
    out.records.push(record);
    if chosen.contains(&"taxonkey") {
        count_taxon_key(&mut out.keys, &cell("taxonkey"));
    }
    if chosen.contains(&"issue")
        && let Some(said) = value::boolean(&cell("hasgeospatialissues"))
    {
        out.differs += u64::from(said != cell("issue").split(';').map(str::trim).any(is_geospatial));
    }
}

fn escape(text: &[u8]) -> String {
    let mut out = String::new();
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid().replace('\\', "\\\\").replace('\t', "\\t");
        out += &valid.replace('\n', "\\n").replace('\r', "\\r");
        out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    out
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn texts(array: &ArrayRef) -> Vec<Option<String>> {
    fn all<T: ToString>(values: impl Iterator<Item = Option<T>>) -> Vec<Option<String>> {
        values.map(|value| value.map(|value| value.to_string())).collect()
    }
    if let Some(values) = array.as_string_opt::<i32>() {
        return all(values.iter());
    }
    if let Some(coded) = array.as_dictionary_opt::<Int32Type>() {
        let values = texts(coded.values());
        return coded.keys().iter().map(|key| values[key? as usize].clone()).collect();
    }
    if let Some(values) = array.as_primitive_opt::<Int32Type>() {
        return all(values.iter());
    }
    if let Some(values) = array.as_primitive_opt::<Float64Type>() {
        return all(values.iter());
    }
    if let Some(values) = array.as_primitive_opt::<TimestampMillisecondType>() {
        return all(values.iter());
    }
    let lists = array.as_list::<i32>();
    let join = |list: ArrayRef| list.as_string::<i32>().iter().flatten().collect::<Vec<_>>().join("\n");
    lists.iter().map(|list| list.map(join)).collect()
}

/// What the reader makes of it, and its batches.
fn ours(text: &[u8], options: &ReadOptions, limits: Limits) -> (Outcome, Vec<RecordBatch>) {
    let source = Source::new(Cursor::new(text.to_vec()), text.len() as u64);
    let hashes = Hashes::new(options.sha256, options.threads);
    let input = EntryBytes::file(source.clone(), hashes);
    let mut reader = TextReader::new(input, source, None, Place::file("f"), options, limits).unwrap();
    let kept = Kept::default();
    reader.rejects().write_to(Box::new(kept.clone()));
    let mut outcome = Outcome::default();
    let mut batches = Vec::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        assert!((1..=options.batch_records).contains(&batch.num_rows()));
        let columns: Vec<Vec<Option<String>>> = batch.columns().iter().map(texts).collect();
        let record =
            |row: usize| columns.iter().map(|column: &Vec<Option<String>>| column[row].clone()).collect();
        outcome.records.extend((0..batch.num_rows()).map(record));
        batches.push(batch);
    }
    let summary = reader.summary();
    assert_eq!(summary.records.landed, outcome.records.len() as u64);
    assert_eq!(summary.records.read, summary.records.landed + summary.records.rejected);
    assert_eq!(summary.entry_crc32, Some(format!("{:08x}", crc32fast::hash(text))));
    let sha256 = <sha2::Sha256 as sha2::Digest>::digest(text);
    assert_eq!(summary.entry_sha256, Some(sha256.iter().map(|byte| format!("{byte:02x}")).collect()));
    let aside = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let (header, aside) = aside.split_once('\n').unwrap();
    assert!(header.starts_with("kind\tline\t"));
    outcome.aside = aside.to_owned();
    outcome.read = summary.records.read;
    outcome.ragged = summary.records.ragged;
    outcome.rejected = summary.records.rejected;
    outcome.unparsed = summary.unparsed.values().sum();
    outcome.differs = summary.geospatial_issue_differs;
    outcome.keys = summary.taxon_keys;
    (outcome, batches)
}

fn cell() -> impl Strategy<Value = Vec<u8>> {
    let texts: [&[u8]; 36] = [
        b"7",
        b"0",
        b"-12",
        b"+5",
        b" 12 ",
        b"2147483648",
        b"x",
        b"1.5",
        b"-0.0",
        b"2.778E-4",
        b"1e400",
        b"NaN",
        b"inf",
        b".",
        b"abc",
        b"2020-01-02",
        b"2020-01-02T03:04:05.678Z",
        b"2020-13-01",
        b"A; B;",
        b";",
        b" ; ",
        b"ZERO_COORDINATE",
        b"true",
        b"FALSE",
        b"\"",
        b"\"\"",
        b"\"a\"",
        b"\"a \"\"b\"\" c\"",
        b"\"open",
        b"\"12\"",
        b"\xc3\xa9",
        b"\xff",
        b"\xc3",
        b"\0",
        b"a\rb",
        b"a text that is longer than a piece of thirty-two bytes, or than sixty-four of them",
    ];
    prop_oneof![4 => Just(Vec::new()), 8 => proptest::sample::select(texts.to_vec()).prop_map(<[u8]>::to_vec)]
}

fn row() -> impl Strategy<Value = Vec<u8>> {
    let fields = prop_oneof![6 => Just(HEADER.len()), 1 => 1..HEADER.len() + 3];
    let cells = fields.prop_flat_map(|count| proptest::collection::vec(cell(), count));
    let with_id = (cells, any::<u8>()).prop_map(|(mut cells, id)| {
        if id > 40 && cells.len() > 3 {
            cells[3] = format!("id{id}").into_bytes();
        }
        cells.join(&b'\t')
    });
    let noise = proptest::sample::select(&b"\t\t\"\r\xe9\0ab"[..]);
    let noise = proptest::collection::vec(noise, 0..60);
    let end = prop_oneof![5 => Just(&b"\n"[..]), 1 => Just(&b"\r\n"[..]), 1 => Just(&b"\r\r\n"[..])];
    (prop_oneof![9 => with_id, 1 => noise, 3 => Just(Vec::new())], end)
        .prop_map(|(row, end)| [&row, end].concat())
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    (proptest::collection::vec(row(), 0..40), 0usize..3).prop_map(|(rows, cut)| {
        let mut text = [HEADER.join("\t").as_bytes(), b"\n"].concat();
        let header = text.len();
        text.extend(rows.concat());
        text.truncate(text.len().saturating_sub(cut).max(header));
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_text_is_read_as_a_plain_reader_does(
        text in text(),
        block in 1usize..300,
        line in 160usize..400,
        batch in 1usize..2000,
        batch_records in 1usize..20,
        threads in 1usize..4,
        some in any::<bool>(),
        coded in any::<bool>(),
    ) {
        let all: Vec<&str> = columns().iter().map(|column| column.name).collect();
        let chosen = if some { vec!["year", "issue", "species"] } else { all };
        let named = chosen.iter().map(|&name| name.to_owned()).collect();
        let options = |threads| ReadOptions {
            batch_records,
            columns: some.then_some(Vec::clone(&named)),
            threads,
            coded,
            ..ReadOptions::default()
        };
        let limits = Limits { block, line, batch };
        let (here, batches) = ours(&text, &options(1), limits);
        let expected = plain(&text, &chosen, line);
        prop_assert_eq!(&here, &expected);
        prop_assert_eq!(ours(&text, &options(threads), limits), (here, batches));
    }
}
