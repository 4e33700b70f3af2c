//! Whatever the records, and however they are split: the same tables, and the right ones.

use std::collections::BTreeMap;

use bisonflow_summary::{Merger, PartialCounts, check_tables};
use bytes::Bytes;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::select;
use proptest::{collection, proptest};

use crate::naive::{self, Occurrence};
use crate::records::{RUN_YEAR, Record, Text, area, batch, county, lay_out, rows};

/// `year`, `eventdate`, and the year that these should give.
const YEARS: &[(Option<i32>, Text, Option<i32>)] = &[
    (Some(1999), Some("2001-02-03"), Some(1999)),
    (Some(2027), Some("2001-02-03/04"), Some(2001)),
    (None, Some("1874"), Some(1874)),
    (None, Some("2001/2002"), None),
    (Some(0), None, None),
];

fn record() -> impl Strategy<Value = (Record, Option<i32>)> {
    let keys = || select(vec![None, Some("01001"), Some("02013"), Some("é"), Some("")]);
    let labels = || select(vec![None, Some("AL Autauga"), Some("AL Autauga County"), Some("")]);
    let taxa = || select(vec![None, Some(""), Some("0"), Some("12"), Some("2"), Some("7G3CG")]);
    let names = || select(vec![None, Some("Aus bus"), Some("Aus bus L."), Some("=Aus")]);
    let status = select(vec![
        "introduced",
        "established",
        "invasive",
        "widespread_invasive",
        "not_listed",
        "not_assessed",
    ]);
    let areas = collection::vec((keys(), labels()), 0..3);
    (keys(), labels(), areas, (taxa(), names(), taxa(), names()), status, select(YEARS)).prop_map(
        |(county, county_name, areas, taxon, assessment, (year, event_date, expected))| {
            let record = Record {
                county,
                county_name,
                areas,
                taxon_key: taxon.0,
                scientific_name: taxon.1,
                species_key: taxon.2,
                species: taxon.3,
                assessment,
                year,
                event_date,
            };
            (record, expected)
        },
    )
}

fn partials(batches: &[Vec<Record>]) -> BTreeMap<String, Bytes> {
    let mut counts = PartialCounts::new(&[county(), area()], RUN_YEAR);
    for records in batches {
        counts.add(&batch(records)).unwrap();
    }
    counts.finish().unwrap()
}

/// Enough rows that they are added up while partial counts still come in.
#[test]
fn one_three_and_a_hundred_subsets_give_the_same_bytes() {
    const KEYS: [Text; 5] = [Some("01001"), Some("02013"), Some("é"), Some("x"), None];
    const TAXA: [Text; 7] = [Some("12"), Some("2"), Some("7G3CG"), Some("5"), Some("66"), Some("0"), None];
    const NAMES: [Text; 3] = [Some("Aus bus"), Some("Aus bus L."), None];
    const STATUS: [&str; 3] = ["invasive", "not_listed", "not_assessed"];
    let record = |number: usize| Record {
        county: KEYS[number % 5],
        county_name: KEYS[number / 3 % 5],
        taxon_key: TAXA[number % 7],
        scientific_name: NAMES[number % 3],
        species_key: TAXA[number / 2 % 7],
        species: NAMES[number / 5 % 3],
        assessment: STATUS[number / 4 % 3],
        year: Some(1900 + (number % 90) as i32),
        ..Record::default()
    };
    let records: Vec<Record> = (0..100_000).map(record).collect();
    let files = |partials: Vec<Bytes>| {
        let mut merger = Merger::new(county());
        for partial in partials {
            merger.add_partial(partial).unwrap();
        }
        let merged = merger.merged().unwrap();
        check_tables(100_000, &merged).unwrap();
        merged.tables().iter().map(|table| table.to_parquet().unwrap()).collect::<Vec<_>>()
    };
    let split = |subsets: usize| {
        let subsets = records.chunks(records.len().div_ceil(subsets));
        subsets.map(|own| partials(&[own.to_vec()]).remove("county").unwrap()).collect::<Vec<_>>()
    };
    let whole = files(split(1));
    for subsets in [3, 100] {
        let mut partials = split(subsets);
        assert_eq!(files(partials.clone()), whole, "{subsets} subsets");
        partials.reverse();
        partials.rotate_left(subsets / 3);
        assert_eq!(files(partials), whole, "{subsets} subsets in another order");
    }
}

proptest! {
    #[test]
    fn tables_are_right_however_the_records_are_split(
        records in collection::vec((record(), 0..4_usize), 0..40),
        order in Just([0_usize, 1, 2, 3]).prop_shuffle(),
        in_small_batches in any::<bool>(),
    ) {
        let all: Vec<Record> = records.iter().map(|((record, _), _)| record.clone()).collect();
        let split: Vec<BTreeMap<String, Bytes>> = order
            .iter()
            .map(|&part| {
                let own: Vec<Record> =
                    records.iter().filter(|(_, of)| *of == part).map(|((record, _), _)| record.clone()).collect();
                let size = if in_small_batches { 2 } else { 40 };
                partials(&own.chunks(size).map(<[Record]>::to_vec).collect::<Vec<_>>())
            })
            .collect();
        let whole = partials(std::slice::from_ref(&all));
        let reversed: Vec<Vec<Record>> = all.iter().rev().map(|record| vec![record.clone()]).collect();
        assert_eq!(whole, partials(&reversed), "partial counts do not depend on batches and order");

        for spec in [county(), area()] {
            let mut from_whole = Merger::new(spec.clone());
            from_whole.add_partial(whole[&spec.name].clone()).unwrap();
            let from_whole = from_whole.merged().unwrap();
            let mut from_split = Merger::new(spec.clone());
            for partials in &split {
                from_split.add_partial(partials[&spec.name].clone()).unwrap();
            }
            let from_split = from_split.merged().unwrap();
            check_tables(all.len() as u64, &from_split).unwrap();
            for (one, other) in from_whole.tables().iter().zip(&from_split.tables()) {
                assert_eq!(one.to_parquet().unwrap(), other.to_parquet().unwrap());
                assert!(one.csv().map(Result::unwrap).eq(other.csv().map(Result::unwrap)));
            }
            let from_split = lay_out(&from_split);

            let mut occurrences = Vec::new();
            for ((record, year), _) in &records {
                let mut places = match spec.name.as_str() {
                    "county" => vec![(record.county, record.county_name)],
                    _ => record.areas.clone(),
                };
                if places.is_empty() {
                    places.push((None, None));
                }
                occurrences.extend(places.into_iter().map(|(key, label)| {
                    Occurrence { key, label, record, year: *year }
                }));
            }
            for (table, expected) in from_split.iter().zip(naive::tables(&all, &occurrences)) {
                assert_eq!(rows(table), expected, "{}", table.name);
            }
        }
    }
}
