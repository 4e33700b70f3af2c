//! What is written is read back, and is what parquet's own writer makes of the same records.

use std::fmt::Debug;

use arrow::array::{
    Float64Array, Int32Array, ListBuilder, StringArray, StringBuilder, TimestampMillisecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use proptest::prelude::{Just, any, prop, prop_oneof, proptest};
use proptest::test_runner::Config;

use super::*;
use crate::parquet_file::NO_TEXT;

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<StringArray>())
}

/// A batch with a column of each kind, made of a seed: `rows` records, `distinct` values, every `nulls`-th null.
fn batch(seed: u64, rows: usize, distinct: u64, nulls: u64) -> RecordBatch {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let numbers: Vec<Option<u64>> =
        (0..rows).map(|_| (next() % nulls != 0).then(|| next() % distinct)).collect();
    let text = |n: u64| match n % 5 {
        0 if n == 0 => String::new(),
        1 => format!("Quercus {n}"),
        2 => "ß€".repeat((n % 40) as usize),
        _ => n.to_string(),
    };
    let names: StringArray = numbers.iter().map(|n| n.map(text)).collect();
    let none: StringArray = numbers.iter().map(|_| None::<&str>).collect();
    let years: Int32Array = numbers.iter().map(|n| n.map(|n| n as i32 - 7)).collect();
    let places: Float64Array = numbers.iter().map(|n| n.map(|n| n as f64 / 3.0 - 10.0)).collect();
    let times: TimestampMillisecondArray = numbers.iter().map(|n| n.map(|n| n as i64 * 1000)).collect();
    let mut lists =
        ListBuilder::new(StringBuilder::new()).with_field(Field::new("element", DataType::Utf8, true));
    for number in &numbers {
        for item in 0..number.unwrap_or(0) % 3 {
            lists.values().append_option((item > 0).then(|| text(item)));
        }
        lists.append(number.is_some());
    }
    let columns: [(&str, ArrayRef); 6] = [
        ("name", Arc::new(names)),
        ("none", Arc::new(none)),
        ("year", Arc::new(years)),
        ("place", Arc::new(places)),
        ("time", Arc::new(times.with_timezone("UTC"))),
        ("issue", Arc::new(lists.finish())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

fn ours(schema: &SchemaRef, batches: &[RecordBatch], row_group_records: usize) -> Bytes {
    let mut writer = RecordWriter::new(Vec::new(), Arc::clone(schema), row_group_records).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap().into()
}

fn theirs(schema: &SchemaRef, batches: &[RecordBatch], row_group_records: usize) -> Bytes {
    let properties = writer_properties(row_group_records);
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(schema), Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap().into()
}

fn metadata(file: &Bytes) -> ArrowReaderMetadata {
    let options = ArrowReaderOptions::new()
        .with_page_index_policy(PageIndexPolicy::Required)
        .with_encoding_stats_as_mask(false);
    ArrowReaderMetadata::load(file, options).unwrap()
}

fn read(file: &Bytes) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
    let schema = Arc::clone(builder.schema());
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn equal<T: PartialEq + Debug>(what: &str, ours: T, theirs: T) {
    assert_eq!(ours, theirs, "{what}");
}

/// Both files say the same of their columns.
fn assert_same_metadata(ours: &ParquetMetaData, theirs: &ParquetMetaData) {
    let (file, other) = (ours.file_metadata(), theirs.file_metadata());
    equal("schema", file.schema(), other.schema());
    equal("key values", file.key_value_metadata(), other.key_value_metadata());
    equal("created by", file.created_by(), other.created_by());
    equal("row groups", ours.num_row_groups(), theirs.num_row_groups());
    for (group, (ours, theirs)) in ours.row_groups().iter().zip(theirs.row_groups()).enumerate() {
        equal("rows", ours.num_rows(), theirs.num_rows());
        for (ours, theirs) in ours.columns().iter().zip(theirs.columns()) {
            let of = |what: &str| format!("{what} of {} in row group {group}", ours.column_path());
            equal(&of("values"), ours.num_values(), theirs.num_values());
            equal(&of("compression"), ours.compression(), theirs.compression());
            let histograms = [ours, theirs].map(|c| c.definition_level_histogram().cloned());
            equal(&of("levels"), &histograms[0], &histograms[1]);
            let bytes = [ours, theirs].map(|c| c.unencoded_byte_array_data_bytes());
            equal(&of("text bytes"), bytes[0].unwrap_or(0), bytes[1].unwrap_or(0));
            equal(&of("statistics"), ours.statistics(), theirs.statistics());
        }
    }
}

fn assert_same_file(schema: &SchemaRef, batches: &[RecordBatch], row_group_records: usize) {
    let (ours, theirs) =
        (ours(schema, batches, row_group_records), theirs(schema, batches, row_group_records));
    assert_eq!(read(&ours), concat_batches(schema, batches).unwrap());
    assert_eq!(read(&ours), read(&theirs));
    let (ours, theirs) = (metadata(&ours), metadata(&theirs));
    assert_eq!(ours.schema(), theirs.schema());
    assert_same_metadata(ours.metadata(), theirs.metadata());
}

proptest! {
    #![proptest_config(Config { cases: 48, ..Config::default() })]

    #[test]
    fn what_is_read_is_what_parquets_own_writer_gives(
        batches in prop::collection::vec((any::<u64>(), 0usize..400, prop_oneof![Just(1), 2u64..9, Just(1 << 40)],
            prop_oneof![Just(1u64), Just(2), Just(1 << 40)]), 1..5),
        row_group_records in 1usize..500,
    ) {
        let made: Vec<_> = batches.iter().map(|&(seed, rows, distinct, nulls)| batch(seed, rows, distinct, nulls)).collect();
        assert_same_file(&made[0].schema(), &made, row_group_records);
    }

    #[test]
    fn the_bytes_do_not_depend_on_the_batches(
        seed: u64, distinct in prop_oneof![2u64..9, Just(1 << 40)],
        mut cuts in prop::collection::vec(0usize..30_000, 0..4),
    ) {
        let whole = batch(seed, 30_000, distinct, 3);
        cuts.extend([0, 30_000]);
        cuts.sort_unstable();
        let parts: Vec<_> = cuts.windows(2).map(|cut| whole.slice(cut[0], cut[1] - cut[0])).collect();
        let schema = whole.schema();
        assert!(ours(&schema, &parts, 25_000) == ours(&schema, std::slice::from_ref(&whole), 25_000));
    }
}

#[test]
fn a_dictionary_that_grows_too_large_is_given_up() {
    // Each of many texts twice: worth a dictionary by the first page, but longer than it may be.
    let names: StringArray =
        (0..200_000).map(|n| Some(format!("a name of some length {:>9}", n / 2))).collect();
    let places: Float64Array = (0..400_000).map(|n| Some(f64::from(n / 2))).collect();
    for array in [Arc::new(names) as ArrayRef, Arc::new(places)] {
        let batch = RecordBatch::try_from_iter_with_nullable([("column", array, true)]).unwrap();
        assert_same_file(&batch.schema(), std::slice::from_ref(&batch), 1_000_000);
        let file = ours(&batch.schema(), &[batch], 1_000_000);
        let metadata = metadata(&file);
        let encodings: Vec<_> = metadata.metadata().row_group(0).column(0).encodings().collect();
        assert_eq!(encodings.len(), 3, "{encodings:?}"); // levels and plain, and codes before
    }
}

#[test]
fn long_texts_end_pages_early() {
    let names: StringArray = (0..3_000).map(|n| Some(format!("{n}{}", "x".repeat(5_000)))).collect();
    let batch = RecordBatch::try_from_iter_with_nullable([("c", Arc::new(names) as ArrayRef, true)]).unwrap();
    assert_same_file(&batch.schema(), std::slice::from_ref(&batch), 1_000_000);
    let file = ours(&batch.schema(), &[batch], 1_000_000);
    let metadata = metadata(&file);
    let index = metadata.metadata().page_index_for_row_group(0);
    assert!(index.offset_index(0).unwrap().page_locations().len() > 10);
}

#[test]
fn what_is_no_number_is_no_bound() {
    let places = Float64Array::from(vec![Some(f64::NAN), Some(-0.0), None, Some(f64::INFINITY)]);
    let none = Float64Array::from(vec![f64::NAN; 4]);
    let columns = [("a", Arc::new(places) as ArrayRef, true), ("b", Arc::new(none), true)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let file = ours(&batch.schema(), &[batch], 10);
    let metadata = metadata(&file);
    let statistics = metadata.metadata().row_group(0).column(0).statistics().unwrap();
    assert_eq!(statistics.max_bytes_opt(), Some(&f64::INFINITY.to_le_bytes()[..]));
    assert_eq!((statistics.nan_count_opt(), statistics.null_count_opt()), (Some(1), Some(1)));
    assert_eq!(metadata.metadata().row_group(0).column(1).statistics().unwrap().min_bytes_opt(), None);
    let bounds = read(&file);
    assert!(bounds.column(1).as_primitive::<Float64Type>().values().iter().all(|value| value.is_nan()));
}

#[test]
fn the_column_index_says_what_each_page_holds() {
    let years: Int32Array = (0..50_000).map(|n| (n >= 20_000).then_some(n)).collect();
    let names: StringArray = (0..50_000).map(|n| Some(if n < 40_000 { "b" } else { "a" })).collect();
    let columns = [("year", Arc::new(years) as ArrayRef, true), ("name", Arc::new(names), true)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let file = ours(&batch.schema(), &[batch], 1_000_000);
    let metadata = metadata(&file);
    let index = metadata.metadata().page_index_for_row_group(0);
    let ColumnIndexMetaData::INT32(years) = index.column_index(0).unwrap() else { panic!("no years") };
    let bounds: Vec<_> = years.min_values_iter().zip(years.max_values_iter()).collect();
    assert_eq!(bounds, [(None, None), (Some(&20_000), Some(&39_999)), (Some(&40_000), Some(&49_999))]);
    let rows: Vec<i64> =
        index.offset_index(0).unwrap().page_locations().iter().map(|page| page.first_row_index).collect();
    assert_eq!(rows, [0, 20_000, 40_000]);
}

#[test]
fn codes_of_several_dictionaries_are_texts_like_any_other() {
    let (mut first, mut second) = (Texts::default(), Texts::default());
    let first_table = ["b", "a"].map(|text| first.code(text));
    let second_table = [NO_TEXT, second.code("c"), second.code("a")];
    let field = Field::new("name", DataType::Utf8, true);
    let schema: SchemaRef = Arc::new(Schema::new(vec![field]));
    let mut writer = RecordWriter::new(Vec::new(), Arc::clone(&schema), 5).unwrap();
    let pieces = vec![
        ColumnValues::Coded { source: 0, codes: &[0, 1, 0], table: &first_table, texts: &first },
        ColumnValues::Coded { source: 1, codes: &[2, 0, 1], table: &second_table, texts: &second },
    ];
    writer.write_columns(6, &[pieces]).unwrap();
    let file: Bytes = writer.finish().unwrap().into();
    let expected = texts(&[Some("b"), Some("a"), Some("b"), Some("a"), None, Some("c")]);
    assert_eq!(read(&file).column(0), &expected);
    let batch = RecordBatch::try_new(schema, vec![expected]).unwrap();
    assert!(file == ours(&batch.schema(), &[batch], 5));
}

#[test]
fn a_copied_row_group_is_the_same_with_columns_added() {
    let batch = batch(7, 50_000, 100, 4);
    let source = ours(&batch.schema(), std::slice::from_ref(&batch), 1_000_000);
    let from = metadata(&source);
    let mut fields: Vec<FieldRef> = batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("added", DataType::Utf8, true)));
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let added = texts(&vec![Some("x"); 50_000]);
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::clone(&added));
    let whole = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();

    let mut writer = RecordWriter::new(Vec::new(), Arc::clone(&schema), 1_000_000).unwrap();
    writer.columns_mut()[6].append(&ColumnValues::Array(added)).unwrap();
    let index = from.metadata().page_index_for_row_group(0);
    let chunks = (0..6).map(|column| {
        let metadata = from.metadata().row_group(0).column(column).clone();
        Some(SourceChunk {
            reader: &source,
            close: ColumnCloseResult {
                bytes_written: metadata.compressed_size() as u64,
                rows_written: 50_000,
                metadata,
                bloom_filter: None,
                column_index: index.column_index(column).cloned(),
                offset_index: index.offset_index(column).cloned(),
            },
        })
    });
    writer.copy_row_group(chunks.collect()).unwrap();
    let copied: Bytes = writer.finish().unwrap().into();
    assert_eq!(read(&copied), whole);
    let encoded = ours(&schema, &[whole], 1_000_000);
    assert_same_metadata(metadata(&copied).metadata(), metadata(&encoded).metadata());
}

#[test]
fn a_batch_of_other_columns_is_refused() {
    let names = RecordBatch::try_from_iter_with_nullable([("a", texts(&[None]), true)]).unwrap();
    let mut writer = RecordWriter::new(Vec::new(), names.schema(), 10).unwrap();
    let years: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let other = RecordBatch::try_from_iter([("a", Arc::clone(&years))]).unwrap();
    let error = writer.write(&other).unwrap_err().to_string();
    assert!(error.contains("column a is Utf8, but was given Int32"), "{error}");
    let two = RecordBatch::try_from_iter([("a", years), ("b", texts(&[None]))]).unwrap();
    assert!(writer.write(&two).is_err());
}

#[test]
fn a_file_without_records_has_no_row_groups() {
    let schema = batch(1, 0, 1, 1).schema();
    assert_same_file(&schema, &[], 10);
}
