//! Batches of any Parquet occurrence table, brought to our schema.
//!
//! Columns are found by name, whatever their case, and cast by structure: keys that are integers become
//! strings, dates become ISO texts where a text is wanted, timestamps of any unit become milliseconds in UTC,
//! lists may call their items as they like, and what the table lacks is null. Older and newer GBIF snapshots
//! differ in all of these.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int32Array, ListArray, ListBuilder, RecordBatch, StringArray,
    StringBuilder, StructArray, TimestampMillisecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float64Type, Int32Type, Schema, SchemaRef, TimeUnit, TimestampMillisecondType,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::Timestamp;

use crate::schema::{ColumnKind, columns, list_element, schema_of};
use crate::value;

/// Brings batches of one table to [`crate::schema::schema`].
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
/// use bisonflow_occurrence::conform::Conform;
/// let keys: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
/// let batch = RecordBatch::try_from_iter([("gbifID", keys)])?;
/// let conformed = Conform::new(&batch.schema(), &[]).batch(&batch)?;
/// assert_eq!(conformed.batch.column_by_name("gbifid").unwrap().as_string::<i32>().value(1), "2");
/// # Ok::<(), arrow::error::ArrowError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Conform {
    schema: SchemaRef,
    kinds: Vec<ColumnKind>,
    sources: Vec<Option<usize>>,
}

/// A batch of the schema, and what did not parse on the way.
#[derive(Clone, Debug)]
pub struct Conformed {
    /// As many rows as there were.
    pub batch: RecordBatch,
    /// Values that became null.
    pub unparsed: Vec<Unparsed>,
}

/// A value that does not parse to its column's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unparsed {
    /// The row in the batch.
    pub row: usize,
    /// The column, as an index of the schema.
    pub column: usize,
    /// The value as text.
    pub text: String,
}

impl Conform {
    /// For a table with this schema; `extra` are the columns to keep beyond ours, as strings.
    pub fn new(source: &Schema, extra: &[String]) -> Conform {
        Conform::chosen(source, &(0..columns().len()).collect::<Vec<_>>(), extra)
    }

    /// To some of our columns only, by their places in the schema.
    pub(crate) fn chosen(source: &Schema, chosen: &[usize], extra: &[String]) -> Conform {
        let schema = schema_of(chosen, extra);
        let kinds = chosen.iter().filter_map(|&place| columns().get(place)).map(|column| column.kind);
        let kinds = kinds.chain(extra.iter().map(|_| ColumnKind::String)).collect();
        let find = |name: &str| source.fields().iter().position(|field| field.name().to_lowercase() == name);
        let sources = schema.fields().iter().map(|field| find(field.name())).collect();
        Conform { schema, kinds, sources }
    }

    /// Our schema.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns of the source that are read, in the order of ours.
    pub fn source_columns(&self) -> impl Iterator<Item = usize> {
        self.sources.iter().filter_map(|source| *source)
    }

    /// The columns of ours that the source lacks, as indices of our schema.
    pub fn absent_columns(&self) -> impl Iterator<Item = usize> {
        self.sources.iter().enumerate().filter(|(_, source)| source.is_none()).map(|(index, _)| index)
    }

    /// Conforms a batch of the table's schema.
    ///
    /// # Errors
    /// An [`ArrowError`] that names the column when its type cannot hold what ours does.
    pub fn batch(&self, batch: &RecordBatch) -> Result<Conformed, ArrowError> {
        let mut unparsed = Vec::new();
        let mut arrays = Vec::with_capacity(self.sources.len());
        for (index, (source, &kind)) in self.sources.iter().zip(&self.kinds).enumerate() {
            let array = match source {
                None => new_null_array(&kind.arrow_type(), batch.num_rows()),
                Some(source) => {
                    let mut failed = |row, text| unparsed.push(Unparsed { row, column: index, text });
                    let array = unwrap_struct(batch.column(*source));
                    conform_column(&array, kind, &mut failed).map_err(|error| {
                        let name = self.schema.field(index).name();
                        ArrowError::CastError(format!("column {name} is {}: {error}", array.data_type()))
                    })?
                }
            };
            arrays.push(array);
        }
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?;
        Ok(Conformed { batch, unparsed })
    }
}

type Failed<'a> = &'a mut dyn FnMut(usize, String);

fn conform_column(array: &ArrayRef, kind: ColumnKind, failed: Failed<'_>) -> Result<ArrayRef, ArrowError> {
    let array =
        if let DataType::Dictionary(_, values) = array.data_type() { &cast(array, values)? } else { array };
    match kind {
        ColumnKind::String => strings(array).map(|array| Arc::new(array) as ArrayRef),
        ColumnKind::Int => ints(array, failed),
        ColumnKind::Double => doubles(array, failed),
        ColumnKind::Timestamp => timestamps(array, failed),
        ColumnKind::StringList => string_lists(array),
    }
}

/// What is wrapped in groups of one field, as some writers' lists and items are.
fn unwrap_struct(array: &ArrayRef) -> ArrayRef {
    let mut array = Arc::clone(array);
    while let Some(group) = array.as_any().downcast_ref::<StructArray>()
        && group.num_columns() == 1
        && group.null_count() == 0
    {
        array = Arc::clone(group.column(0));
    }
    array
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_list(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _))
}

/// Texts; empty ones are null.
fn strings(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    let texts = match array.data_type() {
        DataType::Timestamp(_, zone) => {
            let times = to_milliseconds(array)?;
            let end = if zone.is_some() { "Z" } else { "" };
            let iso = |time: Option<i64>| {
                time.and_then(|time| Timestamp::from_millisecond(time).ok()).map(|time| iso(time, end))
            };
            times.iter().map(iso).collect()
        }
        data_type if is_list(data_type) => {
            let lists = string_lists(array)?;
            let lists = lists.as_list::<i32>();
            lists.iter().map(|list| list.map(|list| join(list.as_string()))).collect()
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let bytes = cast(array, &DataType::Binary)?;
            let bytes = bytes.as_binary::<i32>();
            bytes.iter().map(|bytes| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())).collect()
        }
        _ => cast(array, &DataType::Utf8)?.as_string::<i32>().clone(),
    };
    let none_is_empty =
        texts.offsets().lengths().enumerate().all(|(row, length)| length > 0 || texts.is_null(row));
    if none_is_empty {
        return Ok(texts);
    }
    Ok(texts.iter().map(|text| text.filter(|text| !text.is_empty())).collect())
}

fn join(items: &StringArray) -> String {
    items.iter().flatten().collect::<Vec<_>>().join(";")
}

/// `2020-05-01T10:00:00`, with milliseconds only where there are some.
fn iso(time: Timestamp, end: &str) -> String {
    let time = jiff::tz::Offset::UTC.to_datetime(time);
    format!("{time}{end}")
}

fn ints(array: &ArrayRef, failed: Failed<'_>) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == &DataType::Int32 {
        return Ok(Arc::clone(array));
    }
    if is_text(array.data_type()) {
        let values: Int32Array = parsed(&strings(array)?, value::int, failed).into_iter().collect();
        return Ok(Arc::new(values));
    }
    if array.data_type().is_floating() {
        let numbers = cast(array, &DataType::Float64)?;
        let whole = |number: f64| {
            let fits = number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
            fits.then_some(number as i32)
        };
        let numbers = numbers.as_primitive::<Float64Type>();
        let values: Int32Array = numbers.iter().map(|number| number.and_then(whole)).collect();
        report(array, &values, failed)?;
        return Ok(Arc::new(values));
    }
    let values = cast(array, &DataType::Int32)?;
    report(array, values.as_primitive::<Int32Type>(), failed)?;
    Ok(values)
}

fn doubles(array: &ArrayRef, failed: Failed<'_>) -> Result<ArrayRef, ArrowError> {
    if is_text(array.data_type()) {
        let values: Float64Array = parsed(&strings(array)?, value::double, failed).into_iter().collect();
        return Ok(Arc::new(values));
    }
    let numbers = cast(array, &DataType::Float64)?;
    let values = numbers.as_primitive::<Float64Type>();
    if values.iter().flatten().all(f64::is_finite) && values.null_count() == array.null_count() {
        return Ok(numbers);
    }
    let finite: Float64Array = values.iter().map(|value| value.filter(|value| value.is_finite())).collect();
    report(array, &finite, failed)?;
    Ok(Arc::new(finite))
}

fn timestamps(array: &ArrayRef, failed: Failed<'_>) -> Result<ArrayRef, ArrowError> {
    let wanted = ColumnKind::Timestamp.arrow_type();
    if array.data_type() == &wanted {
        return Ok(Arc::clone(array));
    }
    let values: TimestampMillisecondArray = if is_text(array.data_type()) {
        parsed(&strings(array)?, value::timestamp_ms, failed).into_iter().collect()
    } else {
        let values = to_milliseconds(array)?;
        report(array, &values, failed)?;
        values
    };
    Ok(Arc::new(values.with_data_type(wanted)))
}

/// Milliseconds of a date or a timestamp of any unit, rounded down; a time without a zone is UTC.
fn to_milliseconds(array: &ArrayRef) -> Result<TimestampMillisecondArray, ArrowError> {
    let per_ms = match array.data_type() {
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, _)
        | DataType::Date32
        | DataType::Date64 => {
            let plain = cast(array, &DataType::Timestamp(TimeUnit::Millisecond, zone(array)))?;
            return Ok(plain.as_primitive::<TimestampMillisecondType>().clone());
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1_000_000,
        other => return Err(ArrowError::CastError(format!("{other} is no time"))),
    };
    let fine = cast(array, &DataType::Int64)?;
    let fine = fine.as_primitive::<arrow::datatypes::Int64Type>();
    Ok(fine.iter().map(|value| value.map(|value| value.div_euclid(per_ms))).collect())
}

fn zone(array: &ArrayRef) -> Option<Arc<str>> {
    match array.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    }
}

fn string_lists(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == &ColumnKind::StringList.arrow_type() {
        return Ok(Arc::clone(array));
    }
    if !is_list(array.data_type()) {
        let mut lists = ListBuilder::new(StringBuilder::new()).with_field(list_element());
        for text in &strings(array)? {
            let mut any = false;
            for item in text.into_iter().flat_map(value::items) {
                lists.values().append_value(item);
                any = true;
            }
            lists.append(any);
        }
        return Ok(Arc::new(lists.finish()));
    }
    let DataType::List(inner) = array.data_type() else {
        let (DataType::LargeList(inner) | DataType::FixedSizeList(inner, _)) = array.data_type() else {
            return Err(ArrowError::CastError("no list".to_owned()));
        };
        return string_lists(&cast(array, &DataType::List(Arc::clone(inner)))?);
    };
    let lists = array.as_list::<i32>();
    let items = unwrap_struct(lists.values());
    let items =
        if is_text(inner.data_type()) { cast(&items, &DataType::Utf8)? } else { Arc::new(strings(&items)?) };
    let lists = ListArray::try_new(list_element(), lists.offsets().clone(), items, lists.nulls().cloned())?;
    Ok(Arc::new(lists))
}

/// The values of texts; what does not parse is reported.
fn parsed<T>(texts: &StringArray, parse: impl Fn(&str) -> Option<T>, failed: Failed<'_>) -> Vec<Option<T>> {
    let one = |(row, text): (usize, Option<&str>)| {
        let value = text.and_then(&parse);
        if let Some(text) = text
            && value.is_none()
        {
            failed(row, text.to_owned());
        }
        value
    };
    texts.iter().enumerate().map(one).collect()
}

/// Reports the values that are null now and were not before.
fn report(before: &ArrayRef, after: &dyn Array, failed: Failed<'_>) -> Result<(), ArrowError> {
    if before.null_count() == after.null_count() {
        return Ok(());
    }
    let options = FormatOptions::default();
    let texts = ArrayFormatter::try_new(before, &options)?;
    for row in (0..before.len()).filter(|&row| before.is_valid(row) && after.is_null(row)) {
        failed(row, texts.value(row).to_string());
    }
    Ok(())
}
