//! The Parquet file of partial counts: what a worker writes and the merger reads.
//!
//! Its columns are those of `by`, then the status and the taxon, then the figures. It carries the labels as they
//! were counted, so that the merger can choose among them.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use bisonflow_occurrence::parquet_file::{ColumnValues, RecordWriter, Texts};
use bytes::Bytes;

use crate::assessment::Assessment;
use crate::read::{self, column, texts};
use crate::{SummaryError, SummarySpec};

/// Rows of a row group.
const ROW_GROUP_ROWS: usize = 1_000_000;

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

/// Partial counts as rows: each is a place, a status and a taxon, by their numbers.
pub(crate) struct Rows<'a> {
    pub(crate) texts: &'a Texts,
    /// The places, as codes of texts by column of `by`.
    pub(crate) places: &'a [Vec<u32>],
    pub(crate) place_of: Vec<u32>,
    /// As places in [`Assessment::ALL`].
    pub(crate) assessment_of: Vec<u32>,
    /// The taxa, as codes of texts.
    pub(crate) taxa: &'a [[u32; 4]],
    pub(crate) taxon_of: Vec<u32>,
    pub(crate) counts: Vec<Count>,
}

impl Rows<'_> {
    /// The file.
    pub(crate) fn to_parquet(&self, spec: &SummarySpec) -> Result<Bytes, SummaryError> {
        let mut assessments = Texts::default();
        let assessment = Assessment::ALL.map(|assessment| assessments.code(assessment.as_str()));
        let mut tables: Vec<(&[u32], Vec<u32>, &Texts)> = Vec::new();
        for column in 0..spec.by.len() {
            let table = self.places.iter().map(|place| place[column]).collect();
            tables.push((&self.place_of, table, self.texts));
        }
        tables.push((&self.assessment_of, assessment.to_vec(), &assessments));
        for column in 0..4 {
            let table = self.taxa.iter().map(|taxon| taxon[column]).collect();
            tables.push((&self.taxon_of, table, self.texts));
        }
        let coded = |(codes, table, texts)| ColumnValues::Coded { source: 0, codes, table, texts };
        let texts = tables.iter().map(|(codes, table, texts)| coded((*codes, table.as_slice(), *texts)));
        let mut columns: Vec<Vec<ColumnValues<'_>>> = texts.map(|values| vec![values]).collect();
        let figures: [fn(&Count) -> i64; 3] = [|c| c.occ, |c| c.records, |c| c.undated];
        for figure in figures {
            let array: Int64Array = self.counts.iter().map(figure).collect();
            columns.push(vec![ColumnValues::Array(Arc::new(array))]);
        }
        let years: [fn((i16, i16)) -> i16; 2] = [|(first, _)| first, |(_, last)| last];
        for year in years {
            let years = self.counts.iter().map(|count| count.years().map(|years| i32::from(year(years))));
            columns.push(vec![ColumnValues::Array(Arc::new(years.collect::<Int32Array>()))]);
        }
        let field = |name: &str, data_type, is_nullable| Field::new(name, data_type, is_nullable);
        let texts = spec.by.iter().map(String::as_str).chain(TEXTS);
        let mut fields: Vec<Field> = texts.map(|name| field(name, DataType::Utf8, true)).collect();
        fields.extend(COUNTS.map(|name| field(name, DataType::Int64, false)));
        fields.extend(YEARS.map(|name| field(name, DataType::Int32, true)));
        let schema = Arc::new(Schema::new(fields));
        let mut writer = RecordWriter::new(Vec::new(), schema, ROW_GROUP_ROWS)?;
        writer.write_columns(self.counts.len(), &columns)?;
        Ok(writer.finish()?.into())
    }
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
    let mut batches = Vec::new();
    read::partial(&spec.name, bytes, |batch| {
        batches.push(from_batch(spec, batch)?);
        Ok(())
    })?;
    Ok(batches)
}

fn from_batch(spec: &SummarySpec, batch: &RecordBatch) -> Result<PartialBatch, String> {
    let text = |name: &str| texts(batch, name).cloned();
    let figure =
        |name: &str| Ok::<_, String>(column(batch, name, &DataType::Int64)?.as_primitive::<Int64Type>());
    let year =
        |name: &str| Ok::<_, String>(column(batch, name, &DataType::Int32)?.as_primitive::<Int32Type>());
    let year_of = |years: &Int32Array, row: usize, none: i16| match years.is_null(row) {
        true => Ok(none),
        false => i16::try_from(years.value(row)).map_err(|_| format!("row {row}: year {}", years.value(row))),
    };
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
                first: year_of(first, row, Count::ZERO.first)?,
                last: year_of(last, row, Count::ZERO.last)?,
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
