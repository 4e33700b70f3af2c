//! Examples worked by hand.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, RecordBatch};
use arrow::datatypes::Int32Type;
use bisonflow_contract::{ErrorName, StepError};
use bisonflow_summary::{Merger, PartialCounts, SummaryError, SummarySpec, check_tables};
use bytes::Bytes;

use crate::records::{RUN_YEAR, Record, area, batch, county, lay_out, merger, rows, tables};

const AUTAUGA: Record = Record {
    county: Some("01001"),
    county_name: Some("AL Autauga County"),
    areas: Vec::new(),
    taxon_key: Some("12"),
    scientific_name: Some("Aus bus L."),
    species_key: Some("12"),
    species: Some("Aus bus"),
    assessment: "invasive",
    year: Some(1999),
    event_date: None,
};

/// Two counties and a record at sea.
fn worked() -> Vec<Record> {
    vec![
        AUTAUGA,
        Record { year: None, event_date: Some("2007-11-13/15"), ..AUTAUGA },
        // a subspecies of the same species, not listed itself
        Record {
            taxon_key: Some("9"),
            scientific_name: Some("Aus bus cus L."),
            assessment: "not_listed",
            year: None,
            ..AUTAUGA
        },
        // a genus
        Record {
            taxon_key: Some("3"),
            scientific_name: Some("Aus"),
            species_key: Some("0"),
            species: Some(""),
            assessment: "not_listed",
            ..AUTAUGA
        },
        // no key at all, and the county under another name
        Record {
            county_name: Some("AL Autauga"),
            taxon_key: None,
            species_key: None,
            assessment: "not_assessed",
            ..AUTAUGA
        },
        Record {
            county: Some("02013"),
            county_name: Some("AK Aleutians East Borough"),
            taxon_key: Some("5"),
            scientific_name: Some("Dus eus"),
            species_key: Some("5"),
            species: Some("Dus eus"),
            assessment: "established",
            year: Some(2026),
            ..AUTAUGA
        },
        Record { county: None, county_name: None, assessment: "not_assessed", year: Some(2027), ..AUTAUGA },
    ]
}

#[test]
fn five_tables() {
    let tables = tables(&county(), &worked());
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let [counts, riis_counts, species, taxa, riis] = &tables[..] else { panic!("five tables: {names:?}") };
    assert_eq!(
        names,
        [
            "county_counts",
            "county_x_riis_counts",
            "county_x_species_list",
            "county_x_taxon_list",
            "county_riis_summary"
        ]
    );
    assert_eq!(
        rows(counts),
        [
            "01001 | AL Autauga County | 5 | 1 | 3 | 2",
            "02013 | AK Aleutians East Borough | 1 | 1 | 1 | 0",
            "∅ | ∅ | 1 | 1 | 1 | 0",
        ]
    );
    assert_eq!(
        rows(riis_counts),
        [
            "01001 | AL Autauga County | invasive | 2 | 1 | 1 | 0",
            "01001 | AL Autauga County | not_assessed | 1 | 0 | 0 | 1",
            "01001 | AL Autauga County | not_listed | 2 | 1 | 2 | 1",
            "02013 | AK Aleutians East Borough | established | 1 | 1 | 1 | 0",
            "∅ | ∅ | not_assessed | 1 | 1 | 1 | 0",
        ]
    );
    assert_eq!(
        rows(species),
        [
            "01001 | AL Autauga County | 12 | Aus bus | invasive | 2 | 1999 | 2007 | 0",
            "01001 | AL Autauga County | 12 | Aus bus | not_listed | 1 | ∅ | ∅ | 1",
            "01001 | AL Autauga County | ∅ | ∅ | not_assessed | 1 | 1999 | 1999 | 0",
            "01001 | AL Autauga County | ∅ | ∅ | not_listed | 1 | 1999 | 1999 | 0",
            "02013 | AK Aleutians East Borough | 5 | Dus eus | established | 1 | 2026 | 2026 | 0",
            "∅ | ∅ | 12 | Aus bus | not_assessed | 1 | ∅ | ∅ | 1",
        ]
    );
    assert_eq!(
        rows(taxa)[..4],
        [
            "01001 | AL Autauga County | 12 | Aus bus L. | invasive | 2 | 1999 | 2007 | 0",
            "01001 | AL Autauga County | 3 | Aus | not_listed | 1 | 1999 | 1999 | 0",
            "01001 | AL Autauga County | 9 | Aus bus cus L. | not_listed | 1 | ∅ | ∅ | 1",
            "01001 | AL Autauga County | ∅ | ∅ | not_assessed | 1 | 1999 | 1999 | 0",
        ]
    );
    assert_eq!(
        rows(riis),
        [
            // one species, invasive at its worst; four records assessed
            "01001 | AL Autauga County | 1 | 0 | 1 | 1 | 0 | 0.0 | 100.0 | 100.0 | 0.0 \
             | 4 | 0 | 2 | 2 | 2 | 0.0 | 50.0 | 50.0 | 50.0",
            "02013 | AK Aleutians East Borough | 1 | 1 | 0 | 1 | 0 | 100.0 | 0.0 | 100.0 | 0.0 \
             | 1 | 1 | 0 | 1 | 0 | 100.0 | 0.0 | 100.0 | 0.0",
            // nothing assessed: no percentage
            "∅ | ∅ | 0 | 0 | 0 | 0 | 0 | ∅ | ∅ | ∅ | ∅ | 0 | 0 | 0 | 0 | 0 | ∅ | ∅ | ∅ | ∅",
        ]
    );
    check_tables(7, &merger(&county(), &worked()).merged().unwrap()).unwrap();
    let columns: Vec<String> =
        riis.columns.iter().map(|c| format!("{} {}", c.name, c.glue_type.as_str())).collect();
    assert_eq!(columns[2..4], ["species_assessed bigint", "species_introduced bigint"]);
    assert_eq!(columns[7], "pct_species_introduced double");
    assert_eq!(columns[19], "pct_occ_not_listed double");
}

#[test]
fn a_list_counts_once_per_element_and_its_records_once() {
    let park = (Some("p1"), Some("Park"));
    let forest = (Some("f1"), Some("Forest"));
    let records = [
        Record { areas: vec![park, forest], ..AUTAUGA },
        Record { areas: vec![park], species: Some("Aus buus"), ..AUTAUGA },
        Record { areas: vec![park, forest, forest], species: Some("Aus bus"), ..AUTAUGA },
        Record { areas: vec![], species: Some("Aus buus"), ..AUTAUGA },
        Record { areas: vec![(None, Some("nowhere"))], species: Some("Aus buus"), ..AUTAUGA },
    ];
    let mut merger = merger(&area(), &records);
    let merged = merger.merged().unwrap();
    let tables = lay_out(&merged);
    assert_eq!(
        rows(&tables[0]),
        ["f1 | Forest | 3 | 1 | 1 | 0", "p1 | Park | 3 | 1 | 1 | 0", "∅ | ∅ | 2 | 1 | 1 | 0"]
    );
    assert_eq!((merged.records(), merged.occurrences()), (5, 8));
    // named by records (three to two), as in every other summary, not by elements
    assert!(rows(&tables[2])[0].contains("Aus buus"));
    check_tables(5, &merged).unwrap();
}

#[test]
fn dictionaries_are_text_too() {
    let plain = batch(&worked());
    let place = plain.schema().index_of("county_geoid").unwrap();
    let names: DictionaryArray<Int32Type> = worked().iter().map(|record| record.county).collect();
    let schema = plain.schema();
    let columns = schema.fields().iter().zip(plain.columns()).enumerate().map(|(at, (field, column))| {
        let column = if at == place { Arc::new(names.clone()) as ArrayRef } else { column.clone() };
        (field.name().as_str(), column)
    });
    let mixed = arrow::array::RecordBatch::try_from_iter(columns).unwrap();
    let count = |batch| {
        let mut counts = PartialCounts::new(&[county()], RUN_YEAR);
        counts.add(batch).unwrap();
        counts.finish().unwrap()
    };
    assert_eq!(count(&plain), count(&mixed));
}

#[test]
fn nothing_annotated_gives_empty_tables() {
    for table in tables(&county(), &[]) {
        assert_eq!(table.batch.num_rows(), 0, "{}", table.name);
    }
    check_tables(0, &Merger::new(county()).merged().unwrap()).unwrap();
}

/// A batch whose years are there under another name as well.
fn with(batch: &RecordBatch, name: &str) -> RecordBatch {
    let schema = batch.schema();
    let columns =
        schema.fields().iter().map(|field| field.name().as_str()).zip(batch.columns().iter().cloned());
    let years = batch.column_by_name("year").unwrap().clone();
    RecordBatch::try_from_iter_with_nullable(
        columns.chain([(name, years)]).map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let error = |spec: SummarySpec, batch: &RecordBatch| -> SummaryError {
        PartialCounts::new(&[spec], RUN_YEAR).add(batch).unwrap_err()
    };
    let by = |by: &[&str]| SummarySpec { name: "x".into(), by: by.iter().map(|&b| b.into()).collect() };
    let records = [Record { areas: vec![(Some("a"), None), (Some("b"), None)], ..AUTAUGA }];
    let annotated = batch(&records);
    let unknown = batch(&[Record { assessment: "presumed_native", ..AUTAUGA }]);
    let without = annotated.project(&[0, 1, 2, 3, 4]).unwrap();
    for (error, says, name) in [
        (error(by(&["nowhere"]), &annotated), "nowhere", ErrorName::BadReferenceData),
        (error(by(&["year"]), &annotated), "rename the field", ErrorName::BadReferenceData),
        (error(by(&["decade"]), &with(&annotated, "decade")), "Int32", ErrorName::Internal),
        (error(by(&["county_geoid", "area_id"]), &annotated), "area_id has 2", ErrorName::Internal),
        (error(county(), &unknown), "presumed_native", ErrorName::Internal),
        (error(county(), &without), "riis_assessment", ErrorName::Internal),
    ] {
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(StepError::from(error).name(), name);
    }
}

#[test]
fn partial_counts_of_something_else_are_refused() {
    let mut counts = PartialCounts::new(&[area()], RUN_YEAR);
    counts.add(&batch(&worked())).unwrap();
    let area = counts.finish().unwrap().remove("area").unwrap();
    for (bytes, says) in [
        (area.clone(), "no column county_geoid"),
        (area.slice(..area.len() / 2), "not Parquet"),
        (Bytes::new(), "not Parquet"),
    ] {
        let error = Merger::new(county()).add_partial(bytes).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.to_string().contains("county"), "{error}");
    }
}

#[test]
fn a_lost_or_doubled_partial_does_not_pass() {
    let mut counts = PartialCounts::new(&[county()], RUN_YEAR);
    counts.add(&batch(&worked())).unwrap();
    let bytes = counts.finish().unwrap().remove("county").unwrap();
    for times in [0, 2] {
        let mut merger = Merger::new(county());
        for _ in 0..times {
            merger.add_partial(bytes.clone()).unwrap();
        }
        let error = check_tables(7, &merger.merged().unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "annotated is 7, but the records counted in county_counts is {}: they must be equal",
                7 * times
            )
        );
    }
}
