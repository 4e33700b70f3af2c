//! Parquet sources: types of old and new snapshots come to one schema.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, ListBuilder, RecordBatch,
    StringArray, StringBuilder, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use bisonflow_contract::document::SourceKind;
use bisonflow_contract::{ErrorName, StepError};
use bisonflow_occurrence::conform::Conform;
use bisonflow_occurrence::schema::schema;
use bisonflow_occurrence::{ReadOptions, open};
use common::{read, read_with, zip};
use parquet::arrow::ArrowWriter;
use proptest::prelude::{ProptestConfig, any, proptest};

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn lists(values: &[&[&str]], inner: &str) -> ArrayRef {
    let field = arrow::datatypes::Field::new(inner, arrow::datatypes::DataType::Utf8, true);
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(Arc::new(field));
    for items in values {
        for item in *items {
            lists.values().append_value(item);
        }
        lists.append(!items.is_empty());
    }
    Arc::new(lists.finish())
}

fn coordinates(rows: usize) -> [(&'static str, ArrayRef); 2] {
    let values: ArrayRef = Arc::new(Float64Array::from(vec![10.0; rows]));
    [("decimallatitude", Arc::clone(&values)), ("decimallongitude", values)]
}

fn old_snapshot() -> Vec<u8> {
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("gbifID", Arc::new(Int64Array::from(vec![11, 12]))),
        ("taxonkey", Arc::new(Int32Array::from(vec![Some(5), None]))),
        ("eventdate", Arc::new(TimestampMicrosecondArray::from(vec![Some(86_400_000_000), Some(-1)]))),
        ("dateidentified", Arc::new(TimestampNanosecondArray::from(vec![Some(1_999_999), Some(-1)]))),
        ("lastinterpreted", Arc::new(Date32Array::from(vec![1, 2]))),
        ("issue", lists(&[&["ZERO_COORDINATE"], &[]], "array_element")),
        ("recordedby", strings(&[Some("A; B"), None])),
        ("species", strings(&[Some(""), Some("NA")])),
        ("individualcount", Arc::new(Int64Array::from(vec![3, 3_000_000_000]))),
        ("year", strings(&[Some("2020"), Some("x")])),
        ("hasgeospatialissues", Arc::new(BooleanArray::from(vec![false, false]))),
        ("county", strings(&[Some("Ada"), None])),
    ];
    columns.extend(coordinates(2));
    file(columns)
}

#[test]
fn old_types_become_ours() {
    let options = ReadOptions { extra_columns: vec!["all".into()], ..ReadOptions::default() };
    let read = read_with(old_snapshot(), options).unwrap();
    assert_eq!(read.kind, SourceKind::Parquet);
    assert!(read.metadata.checklist.is_unknown());
    for (column, values) in [
        ("gbifid", ["11", "12"]),
        ("taxonkey", ["5", "-"]),
        ("eventdate", ["1970-01-02T00:00:00", "1969-12-31T23:59:59.999"]),
        ("dateidentified", ["1970-01-01T00:00:00.001", "1969-12-31T23:59:59.999"]),
        ("lastinterpreted", ["1970-01-02T00:00:00", "1970-01-03T00:00:00"]),
        ("issue", ["[ZERO_COORDINATE]", "-"]),
        ("recordedby", ["[A, B]", "-"]),
        ("species", ["-", "NA"]),
        ("individualcount", ["3", "-"]),
        ("year", ["2020", "-"]),
        ("county", ["Ada", "-"]),
        ("acceptedtaxonkey", ["-", "-"]),
    ] {
        assert_eq!(read.column(column), values, "{column}");
    }
    assert_eq!(read.summary.unparsed.values().sum::<u64>(), 2);
    assert_eq!(read.summary.geospatial_issue_differs, 1);
    assert_eq!(read.summary.extra_columns, ["hasgeospatialissues", "county"]);
    assert!(read.rejects.contains("unparsed\t3\t\t12\tindividualcount\t"), "{}", read.rejects);
    assert_eq!(read.summary.entry_sha256, None);
}

#[test]
fn chosen_columns_are_read_alone() {
    let options = |names: &[&str]| ReadOptions {
        columns: Some(names.iter().map(|&name| name.to_owned()).collect()),
        ..ReadOptions::default()
    };
    let some = read_with(old_snapshot(), options(&["taxonKey", "year"])).unwrap();
    let schema = some.batches[0].schema();
    let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
    assert_eq!(names, ["year", "taxonkey"]);
    assert_eq!(some.column("taxonkey"), ["5", "-"]);
    assert_eq!(some.summary.unparsed.into_iter().collect::<Vec<_>>(), [("year".to_owned(), 1)]);
    assert_eq!(some.summary.geospatial_issue_differs, 0);
    let error = read_with(old_snapshot(), options(&["taxonkeys"])).unwrap_err().to_string();
    assert!(error.contains("such as taxonkey"), "{error}");
}

#[test]
fn rows_without_a_key_are_rejected_and_numbers_that_are_none_are_null() {
    let values: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, 1.0, f64::INFINITY]));
    let columns = vec![
        ("gbifid", strings(&[Some("1"), None, Some("")])),
        ("decimallatitude", Arc::clone(&values)),
        ("decimallongitude", values),
    ];
    let read = read(file(columns)).unwrap();
    assert_eq!((read.summary.records.read, read.summary.records.rejected), (3, 2));
    assert_eq!(read.column("decimallatitude"), ["-"]);
    assert_eq!(read.summary.unparsed.values().sum::<u64>(), 2);
}

#[test]
fn the_entries_of_an_archive_follow_each_other() {
    let part = |ids: &[&str]| {
        let ids: Vec<Option<&str>> = ids.iter().map(|&id| Some(id)).collect();
        let mut columns = vec![("gbifid", strings(&ids))];
        columns.extend(coordinates(ids.len()));
        file(columns)
    };
    let (first, second) = (part(&["1", "2"]), part(&["3"]));
    let bytes = zip(&[
        ("occurrence.parquet/000001", &second),
        ("occurrence.parquet/_SUCCESS", b""),
        ("occurrence.parquet/000000", &first),
    ]);
    let read = read(bytes).unwrap();
    assert_eq!(read.kind, SourceKind::SimpleParquet);
    assert_eq!(read.column("gbifid"), ["1", "2", "3"]);
    let whole = format!("{:08x}", crc32fast::hash(&[first, second].concat()));
    assert_eq!(read.summary.entry_crc32, Some(whole));
}

#[test]
fn other_parquet_is_refused_and_damaged_parquet_is_corrupt() {
    let error = read(file(vec![("name", strings(&[Some("x")]))])).unwrap_err();
    assert!(error.to_string().contains("without the column gbifid, but with name"), "{error}");
    assert_eq!(StepError::from(error).name(), ErrorName::UnsupportedFormat);
    let whole = old_snapshot();
    for bytes in [whole[..whole.len() / 2].to_vec(), b"PAR1".to_vec(), [&whole[..], b"x"].concat()] {
        let step = StepError::from(read(bytes).unwrap_err());
        assert_eq!(step.name(), ErrorName::CorruptArchive, "{step}");
    }
}

#[test]
fn our_own_batches_pass_unchanged() {
    let text =
        "gbifID\tdecimalLatitude\tdecimalLongitude\tissue\tlastInterpreted\n1\t2\t3\tA;B\t2020-01-01\n";
    let batch = read(text).unwrap().batches.remove(0);
    let conform = Conform::new(&batch.schema(), &[]);
    assert_eq!(conform.schema(), &schema(&[]));
    let conformed = conform.batch(&batch).unwrap();
    assert_eq!(conformed.batch, batch);
    assert!(conformed.unparsed.is_empty());
}

#[test]
fn a_type_that_cannot_be_ours_names_its_column() {
    let mut columns = vec![("gbifid", strings(&[Some("1")])), ("lastinterpreted", lists(&[&["x"]], "item"))];
    columns.extend(coordinates(1));
    let error = read(file(columns)).unwrap_err();
    assert!(error.to_string().contains("column lastinterpreted"), "{error}");
    assert_eq!(StepError::from(error).name(), ErrorName::UnsupportedFormat);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn changed_files_do_no_harm(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let mut bytes = old_snapshot();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let length = bytes.len() as u64;
        if let Ok(download) = open(Cursor::new(bytes), "fuzz", length, ReadOptions::default()) {
            for batch in download {
                drop(batch);
            }
        }
    }
}
