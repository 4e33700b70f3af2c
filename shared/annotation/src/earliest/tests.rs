//! Evidence found by any number of threads, batches and subsets is that of comparing all records with each other.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use bisonflow_summary::earliest::partial_name;
use bisonflow_summary::{EarliestDated, Merger, Names};
use proptest::prelude::*;
use proptest::sample::select;

use crate::tests::{annotator, landed_text, on_threads, other_file, own_file, pass, pass_file, summaries};

/// A date as it lands, and the day on which it starts.
const DATES: [(&str, Option<u32>); 12] = [
    ("", None),
    ("2003-07-01", Some(20030701)),
    ("2003-07-01T09:30:00", Some(20030701)),
    ("2003-07", Some(20030701)),
    ("2003-06-30/2003-07-02", Some(20030630)),
    ("2003", Some(20030101)),
    ("2002/2004", Some(20020101)),
    ("1999-12-31", Some(19991231)),
    ("2009-366", None),
    ("spring", None),
    ("2099-01-01", None),
    ("1899-02-28", Some(18990228)),
];
/// Longitude and latitude, county, parks.
const PLACES: [(&str, &str, Option<&str>, &[&str]); 4] = [
    ("0.1", "0.1", Some("KS Douglas County"), &["Large", "Small"]),
    ("0.9", "0.9", Some("KS Douglas County"), &[]),
    ("1.5", "0.5", Some("GU Guam"), &[]),
    ("5", "5", None, &[]),
];

#[derive(Clone, Debug)]
struct Record {
    place: usize,
    species: &'static str,
    date: usize,
    year: Option<i32>,
    uncertainty: &'static str,
    gbifid: String,
    issue: &'static str,
}

impl Record {
    /// How it compares; the least is the best.
    fn order(&self) -> impl Ord {
        let year =
            self.year.filter(|year| (1600..=2026).contains(year)).map(|year| year as u32 * 10_000 + 101);
        let start = DATES[self.date].1.or(year).unwrap_or(u32::MAX);
        let metres: u32 = self.uncertainty.parse().ok().filter(|&metres| metres > 0).unwrap_or(u32::MAX);
        let number: u64 = self.gbifid.parse().unwrap_or(u64::MAX);
        let issue = (!self.issue.is_empty()).then_some(self.issue);
        let landed = self.uncertainty.parse().ok().map(f64::to_bits);
        (start, metres, number, self.gbifid.clone(), DATES[self.date].0, issue, self.place, landed, self.year)
    }

    fn row(&self) -> String {
        let Record { place, species, date, year, uncertainty, gbifid, issue } = self;
        let (lon, lat, ..) = PLACES[*place];
        let (date, year) = (DATES[*date].0, year.map_or(String::new(), |year| year.to_string()));
        format!(
            "{gbifid}\t{lon}\t{lat}\t9{species}\t{species}\tAus {species}\tSPECIES\tUS\tHUMAN_OBSERVATION\t{date}\t{year}\t\
             {uncertainty}\t{issue}\td\n"
        )
    }
}

const HEADER: &str = "gbifID\tdecimalLongitude\tdecimalLatitude\ttaxonKey\tspeciesKey\tspecies\ttaxonRank\tcountryCode\t\
                      basisOfRecord\teventDate\tyear\tcoordinateUncertaintyInMeters\tissue\tdatasetKey\n";

fn records() -> impl Strategy<Value = Vec<Record>> {
    let number = prop_oneof![8 => (1u32..40).prop_map(|n| n.to_string()), 1 => Just("x7".to_owned()), 1 => Just("007".to_owned())];
    let record = (
        (0..PLACES.len(), select(&["7", "8", "0", ""][..]), 0..DATES.len()),
        (
            proptest::option::of(select(&[1500, 1900, 2003, 2050][..])),
            select(&["", "0", "-1", "5", "30"][..]),
        ),
        (number, select(&["", "A", "A;B"][..])),
    );
    let record = record.prop_map(|((place, species, date), (year, uncertainty), (gbifid, issue))| Record {
        place,
        species,
        date,
        year,
        uncertainty,
        gbifid,
        issue,
    });
    proptest::collection::vec(record, 1..150)
}

/// The tables that come of partial counts.
fn tables(partials: &[BTreeMap<String, bytes::Bytes>]) -> Vec<(Vec<u8>, RecordBatch)> {
    summaries()
        .iter()
        .map(|spec| {
            let (mut earliest, mut merger) = (EarliestDated::new(spec), Merger::new(spec.clone()));
            for partial in partials {
                earliest.add_partial(partial[&partial_name(&spec.name)].clone()).unwrap();
                merger.add_partial(partial[&spec.name].clone()).unwrap();
            }
            let merged = merger.merged().unwrap();
            bisonflow_summary::check_earliest(&spec.name, &merged.statuses(), &earliest).unwrap();
            let names: Names = merged.names();
            let rows = earliest.rows(&names);
            let table = rows.table();
            (table.to_parquet().unwrap().to_vec(), table.batch(0..table.rows()).unwrap())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_earliest_records_are_those_of_all_records_compared(
        records in records(), cuts in proptest::collection::vec(0usize..150, 0..4), threads in 1usize..4,
    ) {
        let annotator = annotator(None);
        let text: String = HEADER.to_owned() + &records.iter().map(Record::row).collect::<String>();
        let batch = landed_text(&text);
        prop_assert_eq!(batch.num_rows(), records.len());
        let whole = tables(&[pass(&annotator, std::slice::from_ref(&batch), 1000).counts]);

        // By hand.
        for (place, (_, found)) in whole.iter().enumerate() {
            let mut best: BTreeMap<(&str, &str), &Record> = BTreeMap::new();
            for record in records.iter().filter(|record| !["", "0"].contains(&record.species)) {
                let (.., county, parks) = PLACES[record.place];
                let county: Vec<&str> = county.into_iter().collect();
                for region in if place == 0 { &county[..] } else { parks } {
                    let kept = best.entry((region, record.species)).or_insert(record);
                    if record.order() < kept.order() {
                        *kept = record;
                    }
                }
            }
            let text = |name: &str| found.column_by_name(name).unwrap().as_string::<i32>();
            let rows: Vec<Vec<Option<&str>>> = (0..found.num_rows())
                .map(|row| {
                    [summaries()[place].by[0].as_str(), "specieskey", "species", "gbifid", "eventdate", "issue", "datasetkey"]
                        .map(|name| text(name).iter().nth(row).unwrap())
                        .to_vec()
                })
                .collect();
            let some = |text: &'static str| (!text.is_empty()).then_some(text);
            let names = |species: &str| if species == "7" { "Aus 7" } else { "Aus 8" };
            let expected: Vec<Vec<Option<&str>>> = best
                .iter()
                .map(|((region, species), record)| {
                    vec![Some(*region), Some(*species), Some(names(species)), Some(&*record.gbifid), some(DATES[record.date].0), some(record.issue), Some("d")]
                })
                .collect();
            prop_assert_eq!(rows, expected);
            let metres = found.column_by_name("coordinateuncertaintyinmeters").unwrap().as_primitive::<Float64Type>();
            let metres: Vec<Option<f64>> = metres.iter().collect();
            prop_assert_eq!(metres, best.values().map(|record| record.uncertainty.parse().ok()).collect::<Vec<_>>());
        }

        // However it is cut.
        let mut bounds: Vec<usize> = cuts.iter().map(|&cut| cut.min(records.len())).chain([0, records.len()]).collect();
        bounds.sort_unstable();
        let slices: Vec<RecordBatch> =
            bounds.windows(2).map(|cut| batch.slice(cut[0], cut[1] - cut[0])).filter(|part| part.num_rows() > 0).collect();
        let table = batch.schema();
        on_threads(threads, || {
            let cut = pass(&annotator, &slices, 1000).counts;
            assert_eq!(tables(&[cut]), whole, "batches");
            let subsets: Vec<_> = slices.iter().rev().map(|part| pass(&annotator, std::slice::from_ref(part), 1000).counts).collect();
            assert_eq!(tables(&subsets), whole, "subsets");
            assert_eq!(tables(&[pass_file(&annotator, &table, &own_file(&batch, 40)).counts]), whole, "own file");
            assert_eq!(tables(&[pass_file(&annotator, &table, &other_file(&batch)).counts]), whole, "other file");
        });
    }
}
