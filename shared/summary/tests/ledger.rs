//! A ledger closes only if every sum agrees.

use bisonflow_contract::document::{Landing, LayerCount, Part, RiisCounts, Tally};
use bisonflow_contract::input::{FilterName, Options};
use bisonflow_contract::{Checklist, RunId, StepError};
use bisonflow_summary::{Closing, SummaryError, close, ledger_line};

const LANDING: &str = r#"{
  "run_id": "gbif-1", "generation": 1,
  "source": {"kind": "dwca", "uri": "s3://b/k.zip", "bytes": 9, "entry_sha256": null, "entry_crc32": null,
    "sha256": null, "etag": null, "doi": null, "records_declared": 603},
  "source_identity": null, "checklist": "backbone", "extra_columns": [], "row_group_records": 1000000,
  "records": {"read": 603, "ragged": 2, "rejected": 1, "landed": 602},
  "unparsed": {}, "geospatial_issue_differs": 0, "taxon_keys": {"numeric": 602, "other": 0, "none": 0},
  "parts": [{"uri": "a", "records": 600, "bytes": 1}, {"uri": "b", "records": 2, "bytes": 1}],
  "landed_at": "2026-07-01T00:00:00Z"
}"#;

/// What a test spoils.
struct Books {
    landing: Landing,
    tally: Tally,
    annotated_rows: u64,
}

#[cfg(test)]
fn books() -> Books {
    let layers = [("county", 598, 2), ("aiannh", 7, 593)]
        .map(|(name, inside, outside)| (name.to_owned(), LayerCount { inside, outside }));
    Books {
        landing: serde_json::from_str(LANDING).unwrap(),
        tally: Tally {
            records: 602,
            filtered: [(FilterName::Country, 2), (FilterName::Status, 0)].into(),
            annotated: 600,
            layers: layers.into(),
            riis: RiisCounts {
                introduced: 9,
                invasive: 92,
                not_listed: 497,
                not_assessed: 2,
                ..RiisCounts::default()
            },
        },
        annotated_rows: 600,
    }
}

#[cfg(test)]
fn close_books(books: &Books) -> Result<String, SummaryError> {
    let run_id: RunId = "gbif-1".parse().unwrap();
    let ledger = close(&Closing {
        run_id: &run_id,
        generation: 3,
        checklist: &Checklist::backbone(),
        options: &Options::default(),
        landing: &books.landing,
        tally: &books.tally,
        subsets: 2,
        annotated_rows: books.annotated_rows,
    })?;
    assert_eq!((ledger.generation, ledger.subsets, ledger.records.ragged), (3, 2, 2));
    assert_eq!(ledger.layers["county"].inside, 598);
    Ok(ledger_line(&ledger))
}

#[test]
fn books_that_agree() {
    assert_eq!(close_books(&books()).unwrap(), "read 603 = rejected 1 + filtered 2 + annotated 600");
    let mut unknown = books();
    unknown.landing.source.records_declared = None;
    unknown.landing.parts = vec![Part { uri: "a".into(), records: None, bytes: 1 }];
    assert!(close_books(&unknown).is_ok(), "what is not known is not compared");
}

#[test]
fn every_mismatch_is_named_with_both_figures() {
    type Spoil = fn(&mut Books);
    let cases: &[(Spoil, &str, u64, &str, u64)] = &[
        (|b| b.landing.records.read = 604, "read", 604, "rejected + landed", 603),
        (|b| b.landing.records.rejected = 0, "read", 603, "rejected + landed", 602),
        (|b| b.landing.source.records_declared = Some(605), "records_declared", 605, "read", 603),
        (|b| b.landing.parts[1].records = Some(1), "landed", 602, "the rows of the landed parts", 601),
        (|b| b.tally.records = 601, "landed", 602, "the records of the subsets", 601),
        (|b| b.tally.filtered.clear(), "landed", 602, "filtered + annotated", 600),
        (|b| b.tally.annotated = 601, "landed", 602, "filtered + annotated", 603),
        (|b| b.tally.riis.established = 1, "annotated", 600, "the sum of riis", 601),
        (
            |b| b.tally.layers.get_mut("aiannh").unwrap().outside = 592,
            "annotated",
            600,
            "inside + outside of layer aiannh",
            599,
        ),
        (|b| b.annotated_rows = 0, "annotated", 600, "the rows of the annotated parts", 0),
    ];
    for (spoil, left, left_count, right, right_count) in cases {
        let mut books = books();
        spoil(&mut books);
        let error = StepError::from(close_books(&books).unwrap_err());
        let sentence = format!("{left} is {left_count}, but {right} is {right_count}: they must be equal");
        assert_eq!(error, StepError::CountMismatch(sentence));
    }
}

#[test]
fn the_landing_of_another_run_is_refused() {
    let mut books = books();
    books.landing.run_id = "gbif-2".parse().unwrap();
    let error = StepError::from(close_books(&books).unwrap_err());
    assert!(matches!(&error, StepError::InvalidInput(why) if why.contains("gbif-2")), "{error}");
}
