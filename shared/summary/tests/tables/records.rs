//! Annotated records for the tests, and tables as text.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, ListBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bisonflow_summary::{Merged, Merger, PartialCounts, SummaryColumn, SummarySpec};

pub(crate) const RUN_YEAR: i16 = 2026;

pub(crate) type Text = Option<&'static str>;
type Area = (Text, Text);

/// An annotated record, in one county and in any number of protected areas.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) county: Text,
    pub(crate) county_name: Text,
    /// Key and label of each area.
    pub(crate) areas: Vec<Area>,
    pub(crate) taxon_key: Text,
    pub(crate) scientific_name: Text,
    pub(crate) species_key: Text,
    pub(crate) species: Text,
    pub(crate) assessment: &'static str,
    pub(crate) year: Option<i32>,
    pub(crate) event_date: Text,
}

pub(crate) fn county() -> SummarySpec {
    SummarySpec { name: "county".into(), by: vec!["county_geoid".into(), "state_county".into()] }
}

pub(crate) fn area() -> SummarySpec {
    SummarySpec { name: "area".into(), by: vec!["area_id".into(), "area_name".into()] }
}

pub(crate) fn batch(records: &[Record]) -> RecordBatch {
    let text = |cell: fn(&Record) -> Text| -> ArrayRef {
        Arc::new(records.iter().map(cell).collect::<StringArray>())
    };
    let list = |cell: fn(&Area) -> Text| -> ArrayRef {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for (row, record) in records.iter().enumerate() {
            for area in &record.areas {
                lists.values().append_option(cell(area));
            }
            lists.append(!record.areas.is_empty() || row % 2 == 0); // no area: an empty list or null
        }
        Arc::new(lists.finish())
    };
    RecordBatch::try_from_iter_with_nullable([
        ("gbifid", text(|_| Some("1")), true),
        ("taxonkey", text(|r| r.taxon_key), true),
        ("scientificname", text(|r| r.scientific_name), true),
        ("specieskey", text(|r| r.species_key), true),
        ("species", text(|r| r.species), true),
        ("riis_assessment", text(|r| Some(r.assessment)), true),
        ("eventdate", text(|r| r.event_date), true),
        ("county_geoid", text(|r| r.county), true),
        ("state_county", text(|r| r.county_name), true),
        ("area_id", list(|area| area.0), true),
        ("area_name", list(|area| area.1), true),
        ("year", Arc::new(records.iter().map(|r| r.year).collect::<Int32Array>()) as ArrayRef, true),
    ])
    .unwrap()
}

/// A table, laid out.
#[derive(Debug, PartialEq)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<SummaryColumn>,
    pub(crate) batch: RecordBatch,
}

/// The tables of one summary, counted in one go.
pub(crate) fn tables(spec: &SummarySpec, records: &[Record]) -> Vec<Table> {
    let mut merger = merger(spec, records);
    lay_out(&merger.merged().unwrap())
}

pub(crate) fn merger(spec: &SummarySpec, records: &[Record]) -> Merger {
    let mut counts = PartialCounts::new(std::slice::from_ref(spec), RUN_YEAR);
    counts.add(&batch(records)).unwrap();
    let mut merger = Merger::new(spec.clone());
    for bytes in counts.finish().unwrap().into_values() {
        merger.add_partial(bytes).unwrap();
    }
    merger
}

pub(crate) fn lay_out(merged: &Merged<'_>) -> Vec<Table> {
    let tables = merged.tables().into_iter();
    tables
        .map(|table| {
            let batch = table.batch(0..table.rows()).unwrap();
            Table { name: table.name, columns: table.columns, batch }
        })
        .collect()
}

/// The rows of a table, cells joined by ` | `, null as `∅`.
pub(crate) fn rows(table: &Table) -> Vec<String> {
    let options = FormatOptions::default().with_null("∅");
    let columns: Vec<ArrayFormatter<'_>> =
        table.batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let schema = table.batch.schema();
    let fields: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, fields);
    (0..table.batch.num_rows())
        .map(|row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join(" | "))
        .collect()
}
