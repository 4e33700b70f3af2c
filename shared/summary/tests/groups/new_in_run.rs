//! Species that no earlier run has seen in a region.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use bisonflow_summary::new_in_run::{NewSpecies, SeenPairs};
use bisonflow_summary::{
    EarliestDated, Evidence, Merger, PartialCounts, SummaryError, SummarySpec, check_earliest, to_csv,
};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const RUN_YEAR: i16 = 2026;

/// State, species, status, date, uncertainty in metres.
type Record = (&'static str, &'static str, &'static str, &'static str, Option<f64>);

fn spec() -> SummarySpec {
    SummarySpec { name: "state".into(), by: vec!["census_state".into()] }
}

fn read(seen: &Bytes, batch_rows: usize) -> Vec<RecordBatch> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(seen.clone()).unwrap();
    builder.with_batch_size(batch_rows).build().unwrap().map(Result::unwrap).collect()
}

/// What is new in a run as CSV, what `each` says of the rows, and what has been seen after it.
fn run<T>(
    records: &[Record],
    seen: Option<&Bytes>,
    each: impl Fn(NewSpecies<'_>) -> T,
) -> (String, Vec<T>, Bytes) {
    let mut earliest = EarliestDated::new(&spec());
    for &(state, species, _, date, uncertainty_m) in records {
        if state.is_empty() {
            continue;
        }
        let evidence =
            Evidence { gbifid: Some("1"), eventdate: Some(date), uncertainty_m, ..Evidence::default() };
        let pair = (earliest.code(state), earliest.code(species));
        earliest.add(pair.0, pair.1, evidence.order(RUN_YEAR), &evidence);
    }
    let text = |of: fn(&Record) -> &'static str| -> ArrayRef {
        Arc::new(
            records
                .iter()
                .map(|record| Some(of(record)).filter(|text| !text.is_empty()))
                .collect::<StringArray>(),
        )
    };
    let columns: [(&str, ArrayRef); 8] = [
        ("census_state", text(|record| record.0)),
        ("taxonkey", text(|record| record.1)),
        ("scientificname", text(|record| record.1)),
        ("specieskey", text(|record| record.1)),
        ("species", text(|record| record.1)),
        ("riis_assessment", text(|record| record.2)),
        ("eventdate", text(|record| record.3)),
        ("year", Arc::new(Int32Array::new_null(records.len()))),
    ];
    let mut counts = PartialCounts::new(&[spec()], RUN_YEAR);
    counts
        .add(
            &RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
                .unwrap(),
        )
        .unwrap();
    let mut merger = Merger::new(spec());
    merger.add_partial(counts.finish().unwrap()["state"].clone()).unwrap();
    let merged = merger.merged().unwrap();
    let (names, statuses) = (merged.names(), merged.statuses());
    check_earliest("state", &statuses, &earliest).unwrap();

    let rows = earliest.rows(&names);
    let found = [1, 2, 1000].map(|batch_rows| {
        let mut pairs = SeenPairs::new(&rows).unwrap();
        for batch in seen.iter().flat_map(|seen| read(seen, batch_rows)) {
            pairs.add(&batch).unwrap();
        }
        let (new, seen) = pairs.finish().unwrap();
        let new = new.rows(&rows, &statuses, RUN_YEAR);
        let table = new.table();
        let csv = String::from_utf8(to_csv(&table.batch(0..table.rows()).unwrap()).unwrap()).unwrap();
        (csv, new.iter().map(&each).collect::<Vec<T>>(), seen)
    });
    let [found, second, third] = found;
    assert!(found.0 == second.0 && found.0 == third.0 && found.2 == second.2 && found.2 == third.2);
    found
}

fn keys(new: NewSpecies<'_>) -> String {
    format!("{} {} {}", new.region, new.specieskey, new.riis_assessment)
}

#[test]
fn a_dataset_that_disappears_and_returns_is_new_once() {
    const STAYS: Record = ("KS", "7", "not_listed", "2001", None);
    const RETURNS: [Record; 2] =
        [("KS", "8", "invasive", "2025-05-01", None), ("MO", "7", "not_listed", "1950", None)];
    let (_, first, seen) = run(&[&[STAYS], &RETURNS[..]].concat(), None, keys);
    assert_eq!(first.len(), 3, "all of it, if it is asked for");
    let (_, second, seen) = run(&[STAYS], Some(&seen), keys);
    assert!(second.is_empty());
    let third = [&[STAYS, ("KS", "10", "not_listed", "2020", None)], &RETURNS[..]].concat();
    let (_, third, seen) = run(&third, Some(&seen), keys);
    assert_eq!(third, ["KS 10 not_listed"]);
    let rows: usize = read(&seen, 1000).iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 4);
}

#[test]
fn the_most_severe_come_first_and_few_are_notable() {
    let records = [
        ("AK", "1", "not_assessed", "2026", Some(5.0)),
        ("AK", "2", "not_listed", "2024-01-01", Some(10_000.0)),
        ("KS", "3", "established", "2023-12-31/2024-02-01", Some(5.0)),
        ("KS", "3", "not_listed", "2025", Some(5.0)),
        ("KS", "4", "widespread_invasive", "2024", Some(10_001.0)),
        ("KS", "5", "introduced", "", Some(5.0)),
        ("AL", "6", "invasive", "2025-07-02", None),
        ("AL", "7", "invasive", "2025-07-02", Some(0.0)),
        ("AL", "8", "invasive", "2025-07-02", Some(30.0)),
        ("", "9", "not_assessed", "2025", Some(5.0)), // in no region
    ];
    let told = |new: NewSpecies<'_>| {
        format!("{} {}{}", keys(new), new.is_recent, if new.is_notable() { " !" } else { "" })
    };
    let (csv, new, _) = run(&records, None, told);
    assert_eq!(
        new,
        [
            "KS 4 widespread_invasive true",
            "AL 6 invasive true",
            "AL 7 invasive true",
            "AL 8 invasive true !",
            "KS 3 established false",
            "KS 5 introduced false",
            "AK 2 not_listed true !",
            "AK 1 not_assessed true !",
        ]
    );
    let mut lines = csv.lines();
    assert_eq!(
        lines.next().unwrap(),
        "census_state,specieskey,species,riis_assessment,recent,event_start,gbifid,eventdate,year,decimallatitude,\
         decimallongitude,coordinateuncertaintyinmeters,datasetkey,basisofrecord,issue"
    );
    assert_eq!(lines.next().unwrap(), "KS,4,4,widespread_invasive,true,2024-01-01,1,2024,,,,10001,,,");
}

#[test]
fn what_is_no_list_of_what_was_seen_is_refused() {
    let mut earliest = EarliestDated::new(&spec());
    let _ = earliest.code("KS");
    let names = bisonflow_summary::Names::default();
    let rows = earliest.rows(&names);
    let pairs = |states: &[Option<&str>]| {
        let states: ArrayRef = Arc::new(states.iter().copied().collect::<StringArray>());
        let species: ArrayRef = Arc::new(StringArray::from_iter_values((0..states.len()).map(|_| "7")));
        RecordBatch::try_from_iter([("census_state", states), ("specieskey", species)]).unwrap()
    };
    for (states, why) in [
        (&[Some("KS"), Some("AK")][..], "not in order"),
        (&[Some("KS"), Some("KS")], "not in order"),
        (&[None], "without nulls"),
    ] {
        let error = SeenPairs::new(&rows).unwrap().add(&pairs(states)).unwrap_err();
        assert!(matches!(error, SummaryError::Seen { .. }) && error.to_string().contains(why), "{error}");
    }
}
