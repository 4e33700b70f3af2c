//! The Parquet file of partial counts: what a worker writes and the merger reads.
//!
//! Its columns are those of `by`, then the status and the taxon, then the figures. It carries the labels as they
//! were counted, so that the merger can choose among them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int16Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int16Type, Int64Type, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::{SummaryError, SummarySpec};

/// The columns of text after those of `by`.
const TEXTS: [&str; 5] = ["riis_assessment", "taxonkey", "scientificname", "specieskey", "species"];
const COUNTS: [&str; 3] = ["occ_count", "record_count", "occ_undated"];
const YEARS: [&str; 2] = ["first_year", "last_year"];

/// How many records are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordCount {
    /// The records.
    pub records: u64,
    /// Those of them without a year.
    pub undated: u64,
    /// The first and the last year of the others.
    pub years: Option<(i16, i16)>,
}

/// The figures of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// Occurrences: once per record, or once per element where the key is a list.
    pub(crate) occ: i64,
    /// Records whose first (or only) element lies in this group: these sum up to the annotated records.
    pub(crate) records: i64,
    /// Occurrences without a year.
    pub(crate) undated: i64,
    first: i16, // above `last` while there is no year
    last: i16,
}

impl Count {
    pub(crate) const ZERO: Count = Count { occ: 0, records: 0, undated: 0, first: i16::MAX, last: i16::MIN };

    /// The records of a group; `is_first` says whether these are their first occurrences.
    pub(crate) fn of(group: &RecordCount, is_first: bool) -> Count {
        let figure = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let (first, last) = group.years.unwrap_or((Count::ZERO.first, Count::ZERO.last));
        let occ = figure(group.records);
        Count { occ, records: if is_first { occ } else { 0 }, undated: figure(group.undated), first, last }
    }

    pub(crate) fn add(&mut self, other: &Count) {
        self.occ = self.occ.saturating_add(other.occ);
        self.records = self.records.saturating_add(other.records);
        self.undated = self.undated.saturating_add(other.undated);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// The first and the last year.
    pub(crate) fn years(&self) -> Option<(i16, i16)> {
        (self.first <= self.last).then_some((self.first, self.last))
    }
}

/// Lays partial counts out. `texts` are the columns of `by` and the five of text, in order.
pub(crate) fn to_batch(
    spec: &SummarySpec,
    texts: Vec<StringArray>,
    counts: &[Count],
) -> Result<RecordBatch, SummaryError> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (name, array) in spec.by.iter().map(String::as_str).chain(TEXTS).zip(texts) {
        fields.push(Field::new(name, DataType::Utf8, true));
        arrays.push(Arc::new(array));
    }
    let figures: [fn(&Count) -> i64; 3] = [|c| c.occ, |c| c.records, |c| c.undated];
    for (name, figure) in COUNTS.into_iter().zip(figures) {
        fields.push(Field::new(name, DataType::Int64, false));
        arrays.push(Arc::new(counts.iter().map(figure).collect::<Int64Array>()));
    }
    let years: [fn((i16, i16)) -> i16; 2] = [|(first, _)| first, |(_, last)| last];
    for (name, year) in YEARS.into_iter().zip(years) {
        fields.push(Field::new(name, DataType::Int16, true));
        arrays.push(Arc::new(counts.iter().map(|count| count.years().map(year)).collect::<Int16Array>()));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

/// A batch of partial counts, its columns found and typed.
pub(crate) struct PartialBatch {
    /// The columns of `by`.
    pub(crate) by: Vec<StringArray>,
    pub(crate) assessment: StringArray,
    pub(crate) taxon_key: StringArray,
    pub(crate) scientific_name: StringArray,
    pub(crate) species_key: StringArray,
    pub(crate) species: StringArray,
    pub(crate) counts: Vec<Count>,
}

/// Reads partial counts.
pub(crate) fn read(spec: &SummarySpec, bytes: Bytes) -> Result<Vec<PartialBatch>, SummaryError> {
    let broken = |why: String| SummaryError::Partial { summary: spec.name.clone(), why };
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(|builder| builder.build())
        .map_err(|error| broken(format!("not Parquet that can be read: {error}")))?;
    reader
        .map(|batch| {
            let batch = batch.map_err(|error| broken(format!("not Parquet that can be read: {error}")))?;
            from_batch(spec, &batch).map_err(broken)
        })
        .collect()
}

fn from_batch(spec: &SummarySpec, batch: &RecordBatch) -> Result<PartialBatch, String> {
    let column = |name: &str, expected: &DataType| {
        let column = batch.column_by_name(name).ok_or_else(|| format!("no column {name}"))?;
        let found = column.data_type();
        if found == expected {
            Ok(column)
        } else {
            Err(format!("column {name} has type {found}, expected {expected}"))
        }
    };
    let text = |name: &str| Ok::<_, String>(column(name, &DataType::Utf8)?.as_string::<i32>().clone());
    let figure = |name: &str| Ok::<_, String>(column(name, &DataType::Int64)?.as_primitive::<Int64Type>());
    let year = |name: &str| Ok::<_, String>(column(name, &DataType::Int16)?.as_primitive::<Int16Type>());
    let (occ, records, undated) = (figure("occ_count")?, figure("record_count")?, figure("occ_undated")?);
    let (first, last) = (year("first_year")?, year("last_year")?);
    let counts = (0..batch.num_rows())
        .map(|row| {
            let occ = occ.value(row);
            let (records, undated) = (records.value(row), undated.value(row));
            if occ < 1 || !(0..=occ).contains(&records) || !(0..=occ).contains(&undated) {
                return Err(format!(
                    "row {row}: occ_count {occ}, record_count {records} and occ_undated {undated} cannot be"
                ));
            }
            Ok(Count {
                occ,
                records,
                undated,
                first: if first.is_null(row) { Count::ZERO.first } else { first.value(row) },
                last: if last.is_null(row) { Count::ZERO.last } else { last.value(row) },
            })
        })
        .collect::<Result<Vec<Count>, String>>()?;
    Ok(PartialBatch {
        by: spec.by.iter().map(|name| text(name)).collect::<Result<_, String>>()?,
        assessment: text("riis_assessment")?,
        taxon_key: text("taxonkey")?,
        scientific_name: text("scientificname")?,
        species_key: text("specieskey")?,
        species: text("species")?,
        counts,
    })
}
