//! Rows of text: what lands, what is rejected, what becomes null.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use bisonflow_contract::document::SourceKind;
use bisonflow_occurrence::ReadOptions;
use common::{read, read_with};
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

const HEADER: &str = "gbifID\tdecimalLatitude\tdecimalLongitude\tspecies\tissue\tyear\ttaxonKey\n";

fn rows(rows: &str) -> common::Read {
    read(format!("{HEADER}{rows}")).unwrap()
}

#[test]
fn columns_are_found_by_name_whatever_their_order_and_case() {
    let read = read("YEAR\tDecimalLongitude\tgbifid\tdecimallatitude\n2020\t-100.5\t7\t2.778E-4\n").unwrap();
    assert_eq!(read.kind, SourceKind::Text);
    assert_eq!(read.column("gbifid"), ["7"]);
    assert_eq!(read.column("year"), ["2020"]);
    assert_eq!(read.column("decimallatitude"), ["0.0002778"]);
    assert_eq!(read.column("species"), ["-"]);
    assert!(read.metadata.checklist.is_backbone());
}

#[test]
fn a_byte_order_mark_and_crlf_are_tolerated() {
    let read = read("\u{feff}gbifID\tdecimalLatitude\tdecimalLongitude\r\n1\t2\t3\r\n").unwrap();
    assert_eq!(read.column("gbifid"), ["1"]);
    assert_eq!(read.column("decimallongitude"), ["3.0"]);
}

#[test]
fn a_first_line_that_names_no_columns_is_told_as_what_it_is() {
    let long = format!("gbifID\t{}\n1\n", "x".repeat(2 << 20));
    for (text, found) in [
        ("gbifID\tdecimalLatitude\tdecimalLongitude\r1\t2\t3\r", "carriage returns alone"),
        (&long, "more than 1 MiB"),
        ("gbif\0ID\n", "no text in UTF-8"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
}

#[test]
fn the_nuls_of_a_file_that_was_not_written_to_its_end_are_no_record() {
    let read = rows(&format!("1\t2\t3\n{}", "\0".repeat(1000)));
    assert_eq!((read.summary.records.landed, read.summary.records.rejected), (1, 1));
    assert!(read.rejects.contains("no gbifID"), "{}", read.rejects);
}

#[test]
fn rows_that_are_no_record_are_kept_aside() {
    for (text, reason) in [
        (&b"1\t2\t3\ta\tb\t4\t5\tmore\n"[..], "more fields than the header"),
        (b"1\t2\t3\t\xff\t\t\t\n", "bad UTF-8"),
        (b"\t2\t3\ta\n", "no gbifID"),
        (b"  \t2\t3\ta\n", "no gbifID"),
        (b"\n1\t2\t3\n", "blank line"),
        (b"\n\n", "blank line"),
    ] {
        let bytes = [HEADER.as_bytes(), text].concat();
        let read = read(bytes).unwrap();
        assert_eq!(read.summary.records.rejected, 1, "{reason}");
        let line = read.rejects.lines().nth(1).unwrap();
        let cells: Vec<&str> = line.split('\t').collect();
        assert_eq!((cells[0], cells[1], cells[5]), ("rejected", "2", reason));
        assert_eq!(cells[2], HEADER.len().to_string());
        assert_eq!(cells.len(), 7);
    }
}

#[test]
fn the_end_of_the_text_may_have_an_empty_line_or_no_end_of_line() {
    for end in ["", "\n", "\n\n", "\r\n\r\n"] {
        let read = rows(&format!("1\t2\t3{end}"));
        assert_eq!((read.summary.records.read, read.summary.records.rejected), (1, 0), "{end:?}");
    }
}

#[test]
fn short_rows_are_padded_and_counted() {
    let read = rows("1\t2\t3\n2\n3\t2\t3\tA b\t\t\t\n");
    assert_eq!((read.summary.records.ragged, read.summary.records.landed), (2, 3));
    assert_eq!(read.column("decimallatitude"), ["2.0", "-", "2.0"]);
}

#[test]
fn values_that_do_not_parse_are_null_and_counted() {
    let read = rows("1\tabc\t1e400\t\t\t2147483648\t\n2\tNaN\t-1\t\t\t\t\n");
    assert_eq!(read.column("decimallatitude"), ["-", "-"]);
    let unparsed: Vec<(&str, u64)> =
        read.summary.unparsed.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(unparsed, [("decimallatitude", 2), ("decimallongitude", 1), ("year", 1)]);
    let second = read.rejects.lines().nth(1).unwrap();
    assert!(second.starts_with("unparsed\t2\t") && second.contains("\t1\tdecimallatitude\t"), "{second}");
    assert!(second.ends_with("\tabc"), "{second}");
}

#[test]
fn out_of_range_coordinates_and_namibia_land_as_they_are() {
    let read = rows("1\t91\t-500\tNA\t\t\t\n");
    assert_eq!(read.column("decimallatitude"), ["91.0"]);
    assert_eq!(read.column("species"), ["NA"]);
}

#[test]
fn quotes_never_swallow_rows() {
    let read = rows("1\t2\t3\t\"never closed\n2\t2\t3\t\"a \"\"b\"\"\"\n3\t2\t3\t\"plain\"\n4\t2\t3\t\"\"\n");
    assert_eq!(read.column("species"), ["\"never closed", "a \"b\"", "plain", "-"]);
}

#[test]
fn lists_split_at_semicolons() {
    let read = rows("1\t2\t3\t\tA; B;\n2\t2\t3\t\t ; \n");
    assert_eq!(read.column("issue"), ["[A, B]", "-"]);
}

#[test]
fn taxon_keys_are_counted_by_shape() {
    let read = rows("1\t2\t3\t\t\t\t5\n2\t2\t3\t\t\t\t5WZLF\n3\t2\t3\t\t\t\t0\n4\t2\t3\t\t\t\t\n5\n");
    let keys = read.summary.taxon_keys;
    assert_eq!((keys.numeric, keys.other, keys.none), (1, 1, 3));
}

#[test]
fn what_gbif_says_of_geospatial_issues_is_compared() {
    let header = "gbifID\tdecimalLatitude\tdecimalLongitude\tissue\thasGeospatialIssues\n";
    let rows = "1\t2\t3\tZERO_COORDINATE\ttrue\n2\t2\t3\tZERO_COORDINATE\tfalse\n3\t2\t3\tX\ttrue\n4\t2\t3\tX\tfalse\n5\t2\t3\tX\t\n";
    let read = read(format!("{header}{rows}")).unwrap();
    assert_eq!(read.summary.geospatial_issue_differs, 2);
}

#[test]
fn extra_columns_follow_the_schema() {
    let header = "gbifID\tdecimalLatitude\tdecimalLongitude\tcounty\thabitat\n1\t2\t3\tAda\tbog\n";
    let options = |names: &[&str]| ReadOptions {
        extra_columns: names.iter().map(|&name| name.to_owned()).collect(),
        ..ReadOptions::default()
    };
    let some = read_with(header, options(&["Habitat"])).unwrap();
    assert_eq!(some.batches[0].num_columns(), 54);
    assert_eq!(some.column("habitat"), ["bog"]);
    let all = read_with(header, options(&["all"])).unwrap();
    assert_eq!(all.summary.extra_columns, ["county", "habitat"]);
    let error = read_with(header, options(&["habitats"])).unwrap_err();
    assert!(error.to_string().contains("such as habitat"), "{error}");
}

#[test]
fn columns_that_the_source_lacks_are_named() {
    let text = "gbifID\tdecimalLatitude\tdecimalLongitude\tcountryCode\n1\t2\t3\tUS\n";
    let names = |asked: Option<&[&str]>| {
        let columns = asked.map(|asked| asked.iter().map(|&name| name.to_owned()).collect());
        let options = ReadOptions { columns, ..ReadOptions::default() };
        let bytes = text.len() as u64;
        bisonflow_occurrence::open(std::io::Cursor::new(text), "a.txt", bytes, options)
            .unwrap()
            .absent_columns()
    };
    let all = names(None);
    assert_eq!(all.len(), bisonflow_occurrence::schema::columns().len() - 4);
    assert!(all.contains(&"issue") && !all.contains(&"countrycode"), "{all:?}");
    assert_eq!(names(Some(&["gbifid", "taxonrank", "countrycode"])), ["taxonrank"]);
}

#[test]
fn batches_have_the_size_that_was_asked_for() {
    let rows: String = (1..=250).map(|i| format!("{i}\t2\t3\n")).collect();
    let options = ReadOptions { batch_records: 100, ..ReadOptions::default() };
    let read = read_with(format!("{HEADER}{rows}"), options).unwrap();
    let sizes: Vec<usize> = read.batches.iter().map(arrow::array::RecordBatch::num_rows).collect();
    assert_eq!(sizes, [100, 100, 50]);
}

#[test]
fn a_header_alone_is_a_download_without_records() {
    let read = read(HEADER).unwrap();
    assert_eq!(read.summary.records.read, 0);
    assert!(read.batches.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_cells_come_back(
        cells in proptest::collection::vec("[^\\t\\n\\r\"]{0,12}", 1..20),
        years in proptest::collection::vec(proptest::option::of(-9999i32..9999), 20),
        latitudes in proptest::collection::vec(proptest::option::of(-1e9f64..1e9), 20),
        batch_records in 1usize..7,
    ) {
        let mut text = HEADER.to_owned();
        for (row, cell) in cells.iter().enumerate() {
            let year = years[row].map(|year| year.to_string()).unwrap_or_default();
            let latitude = latitudes[row].map(|latitude| format!("{latitude:E}")).unwrap_or_default();
            text += &format!("g{row}\t{latitude}\t\t{cell}\t\t{year}\t\n");
        }
        let options = ReadOptions { batch_records, ..ReadOptions::default() };
        let read = read_with(text, options).unwrap();
        let or_null = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        prop_assert_eq!(read.column("species"), cells.iter().cloned().map(or_null).collect::<Vec<_>>());
        let expected: Vec<Option<i32>> = years[..cells.len()].to_vec();
        let found: Vec<Option<i32>> = read.column("year").iter().map(|text| text.parse().ok()).collect();
        prop_assert_eq!(found, expected);
        let found: Vec<Option<f64>> = read.column("decimallatitude").iter().map(|text| text.parse().ok()).collect();
        prop_assert_eq!(found, latitudes[..cells.len()].to_vec());
    }
}
