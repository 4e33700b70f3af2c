//! A small world, worked out by hand: two counties side by side, an overlapping layer, a register of two rows.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use bisonflow_contract::document::{LayerCount, RiisCounts, Tally};
use bisonflow_contract::input::{FilterName, Options};
use bisonflow_occurrence::parquet_file::RecordWriter;
use bisonflow_occurrence::{Filters, ReadOptions};
use bisonflow_region::{Index, LayersConfig};
use bisonflow_riis::Register;
use bisonflow_summary::datasets::{DATASET_COUNTS, DatasetCounts};
use bisonflow_summary::riis_matches::{RIIS_MATCHES, RiisMatches};
use bisonflow_summary::{PartialCounts, SummarySpec};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};

use crate::{Annotator, Columns, Done, OnePass, Order, Pass, RecordFile, STATUS_COLUMNS, annotate_file};

const LAYERS: &str = r#"
riis_region_from = "census_state"
[[layer]]
name = "county"
source = "county.geojson"
vintage = "2017"
scale = "1:500k"
id = "GEOID"
fields = { census_state = "STUSPS", state_county = "{STUSPS} {NAMELSAD}" }
[[layer]]
name = "park"
source = "park.geojson"
vintage = "2020"
scale = "1:500k"
id = "id"
overlap = "all"
fields = { park_name = "name" }
"#;

/// Kansas west of Guam, a square degree each.
const COUNTIES: &str = r#"{"type": "FeatureCollection", "features": [
 {"type": "Feature", "properties": {"GEOID": "20045", "STUSPS": "KS", "NAMELSAD": "Douglas County"},
  "geometry": {"type": "Polygon", "coordinates": [[[0,0],[1,0],[1,1],[0,1],[0,0]]]}},
 {"type": "Feature", "properties": {"GEOID": "66010", "STUSPS": "GU", "NAMELSAD": "Guam"},
  "geometry": {"type": "Polygon", "coordinates": [[[1,0],[2,0],[2,1],[1,1],[1,0]]]}}]}"#;

/// Two parks, one inside the other.
const PARKS: &str = r#"{"type": "FeatureCollection", "features": [
 {"type": "Feature", "properties": {"id": "1", "name": "Large"},
  "geometry": {"type": "Polygon", "coordinates": [[[0,0],[0.8,0],[0.8,0.8],[0,0.8],[0,0]]]}},
 {"type": "Feature", "properties": {"id": "2", "name": "Small"},
  "geometry": {"type": "Polygon", "coordinates": [[[0,0],[0.2,0],[0.2,0.2],[0,0.2],[0,0]]]}}]}"#;

const REGISTER: &str = "locality,scientificName,Introduced or Invasive,GBIF taxonKey,occurrenceID\n\
                        L48,Aus bus,Invasive,7,row-7\nAK,Aus cus,Introduced,8,row-8\n";

const HEADER: &str = "gbifID\tdecimalLongitude\tdecimalLatitude\tacceptedTaxonKey\ttaxonKey\tspeciesKey\tspecies\t\
                      taxonRank\tcountryCode\tbasisOfRecord\n";

/// A landed row (gbifID, lon, lat, accepted key, taxon key, species key, species, rank, country), and what it gets.
struct Case {
    row: &'static str,
    county: Option<&'static str>,
    parks: &'static [&'static str],
    assessment: &'static str,
    matched_key: Option<&'static str>,
    reason: &'static str,
}

const DOUGLAS: Option<&str> = Some("KS Douglas County");

const CASES: [Case; 7] = [
    Case {
        row: "1\t0.1\t0.1\t7\t9\t9\tAus bus\tSPECIES\tUS",
        county: DOUGLAS,
        parks: &["Large", "Small"],
        assessment: "invasive",
        matched_key: Some("accepted"),
        reason: "matched",
    },
    Case {
        row: "2\t0.5\t0.5\t\t7\t7\tAus bus\tSPECIES\tUS",
        county: DOUGLAS,
        parks: &["Large"],
        assessment: "invasive",
        matched_key: Some("taxon"),
        reason: "matched",
    },
    Case {
        row: "3\t0.9\t0.9\t\t70\t7\tAus bus\tSUBSPECIES\tUS",
        county: DOUGLAS,
        parks: &[],
        assessment: "invasive",
        matched_key: Some("species"),
        reason: "matched",
    },
    Case {
        row: "4\t0.9\t0.9\t\t8\t8\tAus cus\tSPECIES\tUS",
        county: DOUGLAS,
        parks: &[],
        assessment: "not_listed",
        matched_key: None,
        reason: "not_listed",
    },
    // On the border of the two counties: a step east is Guam.
    Case {
        row: "5\t1.0\t0.5\t\t7\t7\tAus bus\tSPECIES\tUS",
        county: Some("GU Guam"),
        parks: &[],
        assessment: "not_assessed",
        matched_key: None,
        reason: "territory",
    },
    Case {
        row: "6\t2.0\t0.5\t\t7\t7\tAus bus\tSPECIES\tUS",
        county: None,
        parks: &[],
        assessment: "not_assessed",
        matched_key: None,
        reason: "outside_layer",
    },
    Case {
        row: "7\t0.5\t0.9\t\t0\t\t\tSPECIES\tUS",
        county: DOUGLAS,
        parks: &[],
        assessment: "not_assessed",
        matched_key: None,
        reason: "no_key",
    },
];

fn landed(rows: &[&str]) -> RecordBatch {
    all_landed(rows).remove(0)
}

fn all_landed(rows: &[&str]) -> Vec<RecordBatch> {
    let mut text = HEADER.to_owned();
    for row in rows {
        text += &format!("{row}\tHUMAN_OBSERVATION\n");
    }
    read_text(&text)
}

fn read_text(text: &str) -> Vec<RecordBatch> {
    let (bytes, text) = (text.len() as u64, Cursor::new(text.to_owned()));
    let download = bisonflow_occurrence::open(text, "rows.txt", bytes, ReadOptions::default()).unwrap();
    download.map(Result::unwrap).collect()
}

/// The records of a text of one batch.
pub(crate) fn landed_text(text: &str) -> RecordBatch {
    read_text(text).remove(0)
}

pub(crate) fn annotator(register: Option<&str>) -> Annotator {
    let config = LayersConfig::parse(LAYERS, &[]).unwrap();
    let index = Index::build(&config, |source| {
        Ok(if source == "county.geojson" { COUNTIES } else { PARKS }.as_bytes().to_vec())
    });
    let register = register.map(|text| Register::read("riis.csv", text.as_bytes()).unwrap());
    Annotator::new(Filters::new(&Options::default()), &config, index.unwrap(), register).unwrap()
}

fn text<'a>(batch: &'a RecordBatch, column: &str, row: usize) -> Option<&'a str> {
    let column = batch.column_by_name(column).unwrap().as_string::<i32>();
    column.is_valid(row).then(|| column.value(row))
}

/// What a pass makes of some batches.
pub(crate) struct Passed {
    batch: RecordBatch,
    tally: Tally,
    file: Bytes,
    pub(crate) counts: BTreeMap<String, Bytes>,
}

pub(crate) fn summaries() -> [SummarySpec; 2] {
    [
        SummarySpec { name: "county".into(), by: vec!["state_county".into(), "census_state".into()] },
        SummarySpec { name: "park".into(), by: vec!["park_name".into()] },
    ]
}

pub(crate) fn pass(annotator: &Annotator, batches: &[RecordBatch], row_group_records: usize) -> Passed {
    pass_with(annotator, &batches[0].schema(), row_group_records, |pass| {
        batches.iter().for_each(|batch| pass.batch(batch).unwrap());
    })
}

/// Annotates the row groups of a file, which may lack columns of the table.
pub(crate) fn pass_file(annotator: &Annotator, table: &SchemaRef, file: &Bytes) -> Passed {
    let file = RecordFile::open(file.clone(), "in memory").unwrap();
    pass_with(annotator, table, 1_000_000, |pass| {
        (0..file.row_groups()).for_each(|group| assert!(pass.row_group(&file, group).unwrap() > 0));
    })
}

fn pass_with(
    annotator: &Annotator,
    table: &SchemaRef,
    row_group_records: usize,
    put_in: impl FnOnce(&mut Pass<'_, Vec<u8>>),
) -> Passed {
    let summaries = summaries();
    let out = Some((Vec::new(), "memory"));
    let order = Order {
        out,
        row_group_records,
        summaries: &summaries,
        counts_datasets: true,
        finds_earliest: true,
        run_year: 2026,
    };
    let mut pass = Pass::new(annotator, table, order).unwrap();
    put_in(&mut pass);
    let Done { out, tally, counts } = pass.finish().unwrap();
    let file = Bytes::from(out.unwrap());
    Passed { batch: read_back(&file), tally, file, counts }
}

fn read_back(file: &Bytes) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
    let schema = Arc::clone(builder.schema());
    let read: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    arrow::compute::concat_batches(&schema, &read).unwrap()
}

fn pass_one(annotator: &Annotator, batch: &RecordBatch) -> Passed {
    pass(annotator, std::slice::from_ref(batch), 1_000_000)
}

#[test]
fn each_record_gets_its_regions_and_status() {
    let rows: Vec<&str> = CASES.iter().map(|case| case.row).collect();
    let annotated = pass_one(&annotator(Some(REGISTER)), &landed(&rows));
    let batch = &annotated.batch;
    for (row, case) in CASES.iter().enumerate() {
        let source = case.row;
        assert_eq!(text(batch, "state_county", row), case.county, "{source}");
        assert_eq!(text(batch, "riis_assessment", row), Some(case.assessment), "{source}");
        assert_eq!(text(batch, "riis_matched_key", row), case.matched_key, "{source}");
        assert_eq!(text(batch, "riis_reason", row), Some(case.reason), "{source}");
        let found = batch.column_by_name("park_name").unwrap().as_list::<i32>();
        let names: Vec<String> = if found.is_null(row) {
            Vec::new()
        } else {
            found.value(row).as_string::<i32>().iter().map(|name| name.unwrap().to_owned()).collect()
        };
        assert_eq!(names, case.parks, "{source}");
    }
    assert_eq!(text(batch, "riis_occurrence_id", 0), Some("row-7"));
    assert_eq!(text(batch, "taxonkey_species", 1), Some("7 Aus bus"));
    assert_eq!(text(batch, "taxonkey_species", 6), None);
    let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names[names.len() - 6..], STATUS_COLUMNS);

    let tally = annotated.tally;
    assert_eq!((tally.records, tally.annotated), (7, 7));
    assert_eq!(tally.layers["county"], LayerCount { inside: 6, outside: 1 });
    assert_eq!(tally.layers["park"], LayerCount { inside: 2, outside: 5 });
    assert_eq!(
        tally.riis,
        RiisCounts { invasive: 3, not_listed: 1, not_assessed: 3, ..RiisCounts::default() }
    );
    assert_eq!(tally.filtered.values().sum::<u64>(), 0);
}

#[test]
fn filtered_records_are_counted_and_do_not_go_on() {
    let rows = [
        "1\t0.1\t0.1\t7\t7\t7\tAus bus\tSPECIES\tUS",
        "2\t0.1\t0.1\t7\t7\t7\tAus bus\tSPECIES\tMX",
        "3\t\t0.1\t7\t7\t7\tAus bus\tGENUS\tUS",
        "4\t0.1\t0.1\t7\t7\t7\tAus bus\tGENUS\tUS",
    ];
    let annotated = pass_one(&annotator(Some(REGISTER)), &landed(&rows));
    assert_eq!(annotated.batch.num_rows(), 1);
    let counts: BTreeMap<_, _> =
        annotated.tally.filtered.into_iter().filter(|(_, count)| *count > 0).collect();
    let expected = [(FilterName::Country, 1), (FilterName::Coordinates, 1), (FilterName::Rank, 1)];
    assert_eq!(counts, BTreeMap::from(expected));
    assert_eq!(annotated.tally.records, 4);
}

#[test]
fn without_a_register_nothing_is_assessed() {
    let annotated = pass_one(&annotator(None), &landed(&[CASES[0].row]));
    assert_eq!(text(&annotated.batch, "riis_region", 0), Some("L48"));
    assert_eq!(text(&annotated.batch, "riis_assessment", 0), Some("not_assessed"));
    assert_eq!(text(&annotated.batch, "riis_reason", 0), None);
    assert_eq!(annotated.tally.riis, RiisCounts { not_assessed: 1, ..RiisCounts::default() });
}

#[test]
fn batches_may_be_cut_anywhere() {
    let rows: Vec<&str> = CASES.iter().map(|case| case.row).collect();
    let annotator = annotator(Some(REGISTER));
    let whole = landed(&rows);
    let all = pass(&annotator, std::slice::from_ref(&whole), 3);
    for cut in 0..=rows.len() {
        let cut = pass(&annotator, &[whole.slice(0, cut), whole.slice(cut, rows.len() - cut)], 3);
        assert_eq!((&cut.tally, &cut.counts), (&all.tally, &all.counts));
        assert!(cut.file == all.file);
    }
}

#[test]
fn counts_are_those_of_the_annotated_records() {
    let rows: Vec<&str> = CASES.iter().map(|case| case.row).collect();
    let annotator = annotator(Some(REGISTER));
    let mut passed = pass_one(&annotator, &landed(&rows));
    let (mut matches, mut datasets) = (RiisMatches::new(), DatasetCounts::new());
    matches.add_partial(passed.counts.remove(RIIS_MATCHES).unwrap()).unwrap();
    let listed = (0..rows.len()).filter(|&row| text(&passed.batch, "riis_occurrence_id", row).is_some());
    assert_eq!(matches.rows().records(), listed.count() as u64);
    datasets.add_partial(passed.counts.remove(DATASET_COUNTS).unwrap()).unwrap();
    assert_eq!(datasets.rows().records(), (rows.len() as u64, rows.len() as u64));
    passed.counts.retain(|name, _| !name.ends_with(".earliest_dated"));
    let mut counts = PartialCounts::new(&summaries(), 2026);
    counts.add(&passed.batch).unwrap();
    assert_eq!(counts.finish().unwrap(), passed.counts);
}

/// Records enough for several pages and batches; one of `foreign` is not in the US.
fn many(foreign: u64) -> RecordBatch {
    let rows: Vec<String> = (0..50_000)
        .map(|n: u64| {
            let (lon, lat) = ((n * 7919 % 2500) as f64 / 1000.0, (n * 104_729 % 1100) as f64 / 1000.0);
            let country = if n % foreign == foreign - 1 { "MX" } else { "US" };
            let species = n % 11;
            format!("{n}\t{lon}\t{lat}\t\t{}\t{species}\tAus bus{species}\tSPECIES\t{country}", n % 13)
        })
        .collect();
    let batches = all_landed(&rows.iter().map(String::as_str).collect::<Vec<_>>());
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

pub(crate) fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// A file of ours.
pub(crate) fn own_file(batch: &RecordBatch, row_group_records: usize) -> Bytes {
    let mut writer = RecordWriter::new(Vec::new(), batch.schema(), row_group_records).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap().into()
}

/// A file of another writer.
pub(crate) fn other_file(batch: &RecordBatch) -> Bytes {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap().into()
}

/// The same records with another of Arrow's types for texts, alone and in lists.
fn with_texts(batch: &RecordBatch, texts: &DataType) -> RecordBatch {
    let typed = |field: &FieldRef| match field.data_type() {
        DataType::Utf8 => texts.clone(),
        DataType::List(item) => {
            let item = Arc::new(Field::new(item.name(), texts.clone(), item.is_nullable()));
            if *texts == DataType::LargeUtf8 { DataType::LargeList(item) } else { DataType::List(item) }
        }
        other => other.clone(),
    };
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, array)| {
        (field.name().clone(), cast(array, &typed(field)).unwrap(), field.is_nullable())
    });
    RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).unwrap()
}

fn assert_same(found: &Passed, expected: &Passed, what: &str) {
    assert_eq!(found.tally, expected.tally, "{what}");
    assert_eq!(found.counts, expected.counts, "{what}");
    assert!(found.batch == expected.batch, "{what}");
}

#[test]
fn a_row_group_is_copied_or_written_anew_with_the_same_records() {
    let annotator = annotator(Some(REGISTER));
    for (foreign, what) in [(1 << 40, "all kept"), (3, "some filtered"), (2, "half filtered")] {
        let records = many(foreign);
        let expected = pass_one(&annotator, &records);
        for threads in [1, 3] {
            on_threads(threads, || {
                let passed = pass_file(&annotator, &records.schema(), &own_file(&records, 20_000));
                assert_same(&passed, &expected, what);
                for texts in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
                    let file = other_file(&with_texts(&records, &texts));
                    let passed = pass_file(&annotator, &records.schema(), &file);
                    assert_same(&passed, &expected, &format!("{what}, {texts}"));
                }
            });
        }
    }
}

#[test]
fn a_copied_chunk_is_the_chunk_of_the_source() {
    let annotator = annotator(Some(REGISTER));
    let records = many(1 << 40);
    let source = own_file(&records, 20_000);
    let passed = pass_file(&annotator, &records.schema(), &source);
    let [from, to] = [&source, &passed.file].map(|file| {
        let options = crate::footer_options().with_encoding_stats_as_mask(false);
        ArrowReaderMetadata::load(file, options).unwrap()
    });
    let bytes = |file: &Bytes, footer: &ArrowReaderMetadata, group: usize, column: usize| {
        let (start, length) = footer.metadata().row_group(group).column(column).byte_range();
        file.slice(start as usize..(start + length) as usize)
    };
    assert_eq!(to.metadata().num_row_groups(), 3);
    for group in 0..3 {
        for column in 0..records.num_columns() {
            assert!(bytes(&source, &from, group, column) == bytes(&passed.file, &to, group, column));
        }
        let index = to.metadata().page_index_for_row_group(group);
        assert!((0..records.num_columns()).all(|column| index.offset_index(column).is_some()));
    }
}

#[test]
fn a_file_of_other_types_is_cast() {
    let annotator = annotator(Some(REGISTER));
    let records = many(7);
    let expected = pass_one(&annotator, &records);
    // As older snapshots: the key is a number and there are no columns for what nobody gave.
    let present = (0..records.num_columns()).filter(|&column| records.column(column).null_count() < 50_000);
    let columns = present.map(|column| {
        let name = records.schema().field(column).name().clone();
        let array = records.column(column);
        let is_key = name == "taxonkey";
        (name, if is_key { cast(array, &DataType::Int64).unwrap() } else { Arc::clone(array) }, true)
    });
    let older = RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).unwrap();
    let passed = pass_file(&annotator, &records.schema(), &other_file(&older));
    assert_same(&passed, &expected, "cast");
}

#[test]
fn empty_texts_and_what_is_no_number_are_null_as_when_landed() {
    let annotator = annotator(Some(REGISTER));
    let records = landed(&[CASES[0].row, CASES[1].row]);
    let mut columns = records.columns().to_vec();
    let place = |name| records.schema().index_of(name).unwrap();
    columns[place("species")] = Arc::new(StringArray::from(vec![Some(""), Some("Aus bus")]));
    columns[place("elevation")] = Arc::new(Float64Array::from(vec![f64::NAN, 1.0]));
    let other = RecordBatch::try_new(records.schema(), columns).unwrap();
    let passed = pass_file(&annotator, &records.schema(), &other_file(&other));
    assert_eq!(text(&passed.batch, "species", 0), None);
    assert_eq!(passed.batch.column_by_name("elevation").unwrap().null_count(), 1);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let annotator = annotator(Some(REGISTER));
    let records = many(97);
    let batches: Vec<RecordBatch> = (0..5).map(|place| records.slice(place * 10_000, 10_000)).collect();
    let file = own_file(&records, 22_000);
    let with = |threads| {
        on_threads(threads, || {
            (pass(&annotator, &batches, 30_000), pass_file(&annotator, &records.schema(), &file))
        })
    };
    let one = with(1);
    assert_eq!(one.0.tally.records, 50_000);
    for threads in 2..=8 {
        let several = with(threads);
        for (several, one) in [(&several.0, &one.0), (&several.1, &one.1)] {
            assert_eq!((&several.tally, &several.counts), (&one.tally, &one.counts), "{threads} threads");
            assert!(several.file == one.file, "{threads} threads");
        }
    }
}

#[test]
fn a_file_is_annotated_in_one_pass_in_any_form() {
    let annotator = annotator(Some(REGISTER));
    let rows: Vec<&str> = CASES.iter().map(|case| case.row).collect();
    let text =
        HEADER.to_owned() + &rows.iter().map(|row| format!("{row}\tHUMAN_OBSERVATION\n")).collect::<String>();
    let parquet = own_file(&landed(&rows), 1_000_000);
    let expected = pass_one(&annotator, &landed(&rows));
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("rows.txt", text.as_bytes()), ("rows.parquet", &parquet[..])] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let summaries = summaries();
        let out = Some((Vec::new(), "memory"));
        let order = Order {
            out,
            row_group_records: 1_000_000,
            summaries: &summaries,
            counts_datasets: true,
            finds_earliest: true,
            run_year: 2026,
        };
        let OnePass { done, read, absent } =
            annotate_file(&annotator, &path, &"full".parse().unwrap(), order).unwrap();
        let lacks: &[&str] = if name == "rows.txt" { &["occurrencestatus", "issue"] } else { &[] };
        assert_eq!(absent, lacks);
        assert_eq!((done.tally, done.counts), (expected.tally.clone(), expected.counts.clone()), "{name}");
        assert_eq!(read.map(|read| read.records.landed), (name == "rows.txt").then_some(7));
        // What goes on of the columns does not matter to what is found and counted.
        for few in ["none", "gbifid", "core"] {
            let few: Columns = few.parse().unwrap();
            let order = Order {
                out: Some((Vec::new(), "memory")),
                row_group_records: 1_000_000,
                summaries: &summaries,
                counts_datasets: true,
                finds_earliest: true,
                run_year: 2026,
            };
            let OnePass { done, .. } = annotate_file(&annotator, &path, &few, order).unwrap();
            assert_eq!(
                (done.tally, done.counts),
                (expected.tally.clone(), expected.counts.clone()),
                "{name}"
            );
            let whole = &expected.batch;
            let some = read_back(&done.out.unwrap().into());
            let added = whole.num_columns() - bisonflow_occurrence::schema::columns().len();
            assert_eq!(some.num_columns(), few.names().count() + added);
            for (field, column) in some.schema().fields().iter().zip(some.columns()) {
                assert_eq!(Some(column), whole.column_by_name(field.name()), "{}", field.name());
            }
        }
    }
    // Without the column of its ranks, every record fails the filter of ranks, and the column is named.
    let path = folder.path().join("few.txt");
    std::fs::write(&path, "gbifID\tdecimalLatitude\tdecimalLongitude\tcountryCode\n1\t2\t3\tUS\n").unwrap();
    let order = Order {
        out: None::<(Vec<u8>, &str)>,
        row_group_records: 1,
        summaries: &[],
        counts_datasets: false,
        finds_earliest: false,
        run_year: 2026,
    };
    let OnePass { done, absent, .. } =
        annotate_file(&annotator, &path, &"none".parse().unwrap(), order).unwrap();
    assert_eq!(absent, ["occurrencestatus", "issue", "taxonrank", "basisofrecord"]);
    assert_eq!(done.tally.filtered[&FilterName::Rank], 1);
    let error = "core,colour".parse::<Columns>().unwrap_err().to_string();
    assert!(error.contains("found \"colour\"") && error.contains("columns of the table"), "{error}");
}
