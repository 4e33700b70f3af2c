//! What workers count of datasets and of matches in the register, added up in any order.

use bisonflow_summary::datasets::DatasetCounts;
use bisonflow_summary::riis_matches::{Match, RiisMatches};
use bisonflow_summary::{SummaryTable, to_csv};
use bytes::Bytes;

type Text = Option<&'static str>;
/// Dataset, publisher, licence; whether it was annotated, and its year.
type Record = (Text, Text, Text, Option<Option<i16>>);

const RECORDS: [Record; 8] = [
    (Some("b"), Some("p"), Some("CC0_1_0"), Some(Some(2001))),
    (Some("b"), Some("p"), Some("CC0_1_0"), Some(Some(1999))),
    (Some("b"), Some("p"), Some("CC_BY_NC_4_0"), Some(None)),
    (Some("b"), Some("p"), Some("CC0_1_0"), None),
    (Some("a"), Some(""), None, Some(Some(2020))),
    (Some("c"), Some("q"), Some("CC_BY_4_0"), None),
    (None, None, None, Some(Some(1600))),
    (Some("a"), None, None, Some(Some(1700))),
];

fn datasets(records: &[Record]) -> Bytes {
    let mut counts = DatasetCounts::new();
    for &(dataset, publisher, license, annotated) in records {
        let id = counts.id(dataset, publisher, license);
        let years = annotated.flatten().map(|year| (year, year));
        counts.add(id, 1, annotated.map_or(0, |_| 1), years);
    }
    counts.to_parquet().unwrap()
}

fn merged(partials: impl IntoIterator<Item = Bytes>) -> DatasetCounts {
    let mut counts = DatasetCounts::new();
    for partial in partials {
        counts.add_partial(partial).unwrap();
    }
    counts
}

fn csv(table: &SummaryTable<'_>) -> String {
    String::from_utf8(to_csv(&table.batch(0..table.rows()).unwrap()).unwrap()).unwrap()
}

#[test]
fn datasets_add_up_however_they_are_split() {
    let whole = merged([datasets(&RECORDS)]);
    assert_eq!(
        csv(&whole.rows().table()),
        "datasetkey,publishingorgkey,license,read,annotated,first_year,last_year\n\
         a,,,2,2,1700,2020\n\
         b,p,CC0_1_0,3,2,1999,2001\n\
         b,p,CC_BY_NC_4_0,1,1,,\n\
         c,q,CC_BY_4_0,1,0,,\n\
         ,,,1,1,1600,1600\n"
    );
    assert_eq!(whole.rows().derived_dataset(), "datasetkey,count\na,2\nb,3\n");
    for size in 1..RECORDS.len() {
        let backwards = merged(RECORDS.chunks(size).rev().map(datasets));
        assert_eq!(backwards.to_parquet().unwrap(), whole.to_parquet().unwrap());
        assert_eq!(csv(&backwards.rows().table()), csv(&whole.rows().table()));
    }
    assert_eq!(merged([]).rows().derived_dataset(), "datasetkey,count\n");
}

#[test]
fn a_row_of_the_register_that_takes_two_species_is_seen() {
    let reed = Match {
        riis_occurrence_id: "USRIIS-L48-1",
        riis_scientificname: Some("Phragmites australis"),
        acceptedscientificname: Some("Phragmites australis (Cav.) Trin. ex Steud."),
        key: "5290149",
        matched_key: "accepted",
        specieskey: Some("5290149"),
    };
    let matches = [reed, reed, Match { specieskey: Some("7"), ..reed }, Match { specieskey: None, ..reed }];
    let other = Match { matched_key: "taxon", key: "9", ..reed };
    let partial = |matches: &[Match<'_>]| {
        let mut counts = RiisMatches::new();
        for found in matches {
            let id = counts.id(found);
            counts.add(id, 1);
        }
        counts.to_parquet().unwrap()
    };
    let all = [&matches[..], &[other]].concat();
    let mut whole = RiisMatches::new();
    whole.add_partial(partial(&all)).unwrap();
    let mut split = RiisMatches::new();
    for found in all.iter().rev() {
        split.add_partial(partial(std::slice::from_ref(found))).unwrap();
    }
    let (whole, split) = (whole.rows(), split.rows());
    assert_eq!(csv(&whole.table()), csv(&split.table()));
    assert_eq!(
        csv(&whole.table()),
        "riis_occurrence_id,riis_scientificname,acceptedscientificname,key,riis_matched_key,records,species\n\
         USRIIS-L48-1,Phragmites australis,Phragmites australis (Cav.) Trin. ex Steud.,5290149,accepted,4,2\n\
         USRIIS-L48-1,Phragmites australis,Phragmites australis (Cav.) Trin. ex Steud.,9,taxon,1,1\n"
    );
}

#[test]
fn what_is_no_partial_count_is_refused() {
    let matches = RiisMatches::new().to_parquet().unwrap();
    for bytes in [Bytes::from_static(b"PAR1"), matches.slice(..matches.len() / 2)] {
        let error = DatasetCounts::new().add_partial(bytes).unwrap_err();
        assert!(error.to_string().contains("\"dataset_counts\": not Parquet"), "{error}");
    }
    let mut one = RiisMatches::new();
    let id = one.id(&Match {
        riis_occurrence_id: "x",
        riis_scientificname: None,
        acceptedscientificname: None,
        key: "1",
        matched_key: "taxon",
        specieskey: None,
    });
    one.add(id, 1);
    let error = DatasetCounts::new().add_partial(one.to_parquet().unwrap()).unwrap_err();
    assert!(error.to_string().contains("\"dataset_counts\": no column datasetkey"), "{error}");
}
