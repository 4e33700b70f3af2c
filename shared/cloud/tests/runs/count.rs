use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use bisonflow_cloud::count::{PartStores, count_subsets};
use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::document::{Landing, Part, Plan, SourceKind, TaxonKeyShapes};
use bisonflow_contract::{Checklist, StepError};
use parquet::arrow::ArrowWriter;
use serde_json::json;

use crate::support::{count, land, parquet, plan, source, store, write_landing, write_plan};

#[tokio::test]
async fn records_are_counted_by_footers_and_split_once() {
    let store = store().await;
    let plan = plan(&store, json!({"subset_records": 250})).await;
    land(&store, &plan, &[&[250, 150], &[100, 100]]).await;
    let subsets = count(&store, &plan).await.unwrap();
    assert_eq!((subsets.records, subsets.generation), (600, 1));
    let sizes: Vec<u64> = subsets.subsets.iter().map(|subset| subset.records).collect();
    assert_eq!(sizes, [250, 250, 100]);

    // What is there is answered as it is, but not when a part is gone; a new generation counts again.
    assert_eq!(count(&store, &plan).await.unwrap(), subsets);
    store.delete(["occurrences/run=upload-a-zip-0123abcd/part-00000.parquet".to_owned()]).await.unwrap();
    let error = count(&store, &plan).await.unwrap_err();
    assert!(error.to_string().contains("part-00000.parquet is not there"), "{error}");
    let next = Plan { generation: 2, ..plan };
    write_plan(&store, &next).await;
    let error = count(&store, &next).await.unwrap_err();
    assert!(error.to_string().contains("of generation 1, expected 2"), "{error}");
}

#[tokio::test]
async fn no_records_make_one_empty_subset() {
    let store = store().await;
    let plan = plan(&store, json!({})).await;
    land(&store, &plan, &[]).await;
    let subsets = count(&store, &plan).await.unwrap();
    assert_eq!((subsets.records, subsets.subsets.len()), (0, 1));
}

#[tokio::test]
async fn what_does_not_agree_with_the_landing_is_named() {
    type Change = fn(&mut Landing);
    let cases: [(&str, Change, &[&str]); 5] = [
        ("the sum", |landing| landing.records.landed = 9, &["10 records", "9", "part-00000", "part-00001"]),
        ("a part", |landing| landing.parts[1].records = Some(5), &["part-00001", "4 records", "5"]),
        ("a length", |landing| landing.parts[0].bytes += 1, &["part-00000", "bytes"]),
        (
            "a missing part",
            |landing| {
                landing.parts.push(Part {
                    uri: "occurrences/run=upload-a-zip-0123abcd/x".into(),
                    records: None,
                    bytes: 1,
                })
            },
            &["run=upload-a-zip-0123abcd/x is not there"],
        ),
        ("an unknown part", |landing| _ = landing.parts.pop(), &["part-00001", "does not name it"]),
    ];
    for (what, change, named) in cases {
        let store = store().await;
        let plan = plan(&store, json!({})).await;
        let mut landing = land(&store, &plan, &[&[6], &[4]]).await;
        change(&mut landing);
        write_landing(&store, &landing).await;
        let error = count(&store, &plan).await.unwrap_err();
        assert_eq!(error.name().as_str(), "CountMismatch", "{what}: {error}");
        for name in named {
            assert!(error.to_string().contains(name), "{what}: {error}");
        }
        assert_eq!(store.get("runs/run=upload-a-zip-0123abcd/subsets.json").await.unwrap(), None, "{what}");
    }
}

#[tokio::test]
async fn a_part_that_is_not_parquet_is_corrupt() {
    let store = store().await;
    let plan = plan(&store, json!({})).await;
    let mut landing = land(&store, &plan, &[&[6]]).await;
    store.put(&landing.parts[0].uri, "not Parquet").await.unwrap();
    landing.parts[0].bytes = 11;
    write_landing(&store, &landing).await;
    let error = count(&store, &plan).await.unwrap_err();
    assert_eq!(error.name().as_str(), "CorruptArchive", "{error}");
}

#[tokio::test]
async fn keys_of_another_checklist_are_bad_reference_data() {
    let numeric = TaxonKeyShapes { numeric: 99, other: 1, none: 10 };
    let mixed = TaxonKeyShapes { numeric: 98, other: 2, none: 10 };
    let col = || Checklist::from("col".to_owned());
    for (options, checklist, taxon_keys, fits) in [
        (json!({}), Checklist::backbone(), numeric, true),
        (json!({}), Checklist::unknown(), numeric, true),
        (json!({}), Checklist::backbone(), mixed, false),
        (json!({}), Checklist::unknown(), mixed, false),
        (json!({}), col(), numeric, false),
        (json!({"riis": "none"}), col(), mixed, true),
        (json!({"checklist": "backbone"}), col(), mixed, true),
        (json!({"checklist": "col"}), Checklist::backbone(), numeric, false),
    ] {
        let store = store().await;
        let plan = plan(&store, options.clone()).await;
        let mut landing = land(&store, &plan, &[&[6]]).await;
        (landing.checklist, landing.taxon_keys) = (checklist, taxon_keys);
        write_landing(&store, &landing).await;
        match count(&store, &plan).await {
            Ok(_) => assert!(fits, "{options} {landing:?}"),
            Err(error) => {
                assert!(!fits, "{options}: {error}");
                assert_eq!(error.name().as_str(), "BadReferenceData", "{error}");
                assert!(error.to_string().contains("checklist"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_register_of_the_catalogue_of_life_takes_no_records_of_the_backbone() {
    let numeric = TaxonKeyShapes { numeric: 99, other: 1, none: 10 };
    let letters = TaxonKeyShapes { numeric: 10, other: 90, none: 0 };
    let half = TaxonKeyShapes { numeric: 50, other: 50, none: 0 };
    let col = || Checklist::from("col".to_owned());
    for (options, checklist, taxon_keys, expected) in [
        (json!({}), col(), letters, None),
        (json!({}), Checklist::unknown(), letters, None),
        (json!({"checklist": "col"}), Checklist::unknown(), half, None),
        (json!({}), col(), numeric, None), // the download itself says so
        (json!({}), Checklist::backbone(), numeric, Some("of the checklist backbone, the register's of col")),
        (json!({}), Checklist::unknown(), numeric, Some("register's checklist col: 99 of 100 are numeric")),
        (json!({}), Checklist::unknown(), half, Some("50 of 100 are numeric")),
    ] {
        let store = store().await;
        let register = "locality,taxonRank,Introduced or Invasive,occurrenceID,gbif_res_taxonkey,checklist\n\
                        L48,Species,Invasive,id1,5WZLF,col\nL48,Species,Invasive,id2,,col\n";
        store.put("reference/riis.csv", register).await.unwrap();
        let plan = plan(&store, options.clone()).await;
        let mut landing = land(&store, &plan, &[&[6]]).await;
        (landing.checklist, landing.taxon_keys) = (checklist, taxon_keys);
        write_landing(&store, &landing).await;
        match (count(&store, &plan).await, expected) {
            (Ok(_), None) => {}
            (Err(StepError::BadReferenceData(text)), Some(expected)) => {
                assert!(text.contains(expected) && text.contains("bisonflow riis resolve"), "{text}");
            }
            (found, _) => panic!("{options} {landing:?}: {found:?}"),
        }
    }
}

#[tokio::test]
async fn the_records_of_a_snapshot_are_filled_in() {
    let store = store().await;
    let folder = tempfile::tempdir().unwrap();
    let gbif = Store::folder(folder.path()).unwrap();
    let plan = plan(&store, json!({"subset_records": 5})).await;
    let mut landing = land(&store, &plan, &[]).await;
    landing.source = source(SourceKind::Snapshot);
    landing.row_group_records = 0;
    landing.checklist = Checklist::unknown();
    for (name, row_groups) in [("000000", &[3, 4][..]), ("000001", &[2])] {
        let key = format!("occurrence/2026-07-01/occurrence.parquet/{name}");
        let content = parquet(row_groups);
        landing.parts.push(Part { uri: gbif.uri_of(&key), records: None, bytes: content.len() as u64 });
        gbif.put(&key, content).await.unwrap();
    }
    write_landing(&store, &landing).await;
    let stores = PartStores::new(&store, [gbif]);
    let subsets = count_subsets(&stores, &plan).await.unwrap();
    assert_eq!((subsets.records, subsets.subsets.len()), (9, 3));
    let filled = RunStore::new(&store, &plan.run_id).landing().await.unwrap();
    assert_eq!((filled.records.read, filled.records.landed, filled.row_group_records), (9, 9, 4));
    assert_eq!(filled.parts.iter().map(|part| part.records).collect::<Vec<_>>(), [Some(7), Some(2)]);
    assert_eq!(
        filled.taxon_keys,
        TaxonKeyShapes { numeric: 5, other: 0, none: 0 },
        "of the first row groups"
    );
}

#[tokio::test]
async fn a_snapshot_with_keys_of_several_checklists_is_bad_reference_data() {
    let text: ArrayRef = Arc::new(StringArray::from(vec![Some("2703647"), Some("5WZLF"), Some("0"), None]));
    let number: ArrayRef = Arc::new(Int32Array::from(vec![Some(2_703_647), Some(5), Some(0), None]));
    for (keys, expected) in [(number, Some((2, 0, 2))), (text, None)] {
        let store = store().await;
        let plan = plan(&store, json!({})).await;
        let mut landing = land(&store, &plan, &[]).await;
        landing.source = source(SourceKind::Snapshot);
        landing.checklist = Checklist::unknown();
        let batch = RecordBatch::try_from_iter([("gbifid", keys.clone()), ("taxonkey", keys)]).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        let content = writer.into_inner().unwrap();
        landing.parts =
            vec![Part { uri: "elsewhere/000000".into(), records: None, bytes: content.len() as u64 }];
        store.put("elsewhere/000000", content).await.unwrap();
        write_landing(&store, &landing).await;
        match (count(&store, &plan).await, expected) {
            (Ok(_), Some((numeric, other, none))) => {
                let filled = RunStore::new(&store, &plan.run_id).landing().await.unwrap();
                assert_eq!(filled.taxon_keys, TaxonKeyShapes { numeric, other, none });
            }
            (Err(StepError::BadReferenceData(text)), None) => {
                assert!(text.contains("1 of 2 are not numeric"), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_part_is_found_where_its_uri_says() {
    let store = Store::memory();
    let folder = tempfile::tempdir().unwrap();
    let gbif = Store::folder(folder.path()).unwrap();
    let stores = PartStores::new(&store, [gbif.clone()]);
    for (uri, expected) in [
        ("occurrences/run=a/part-00000.parquet", Some((store.uri(), "occurrences/run=a/part-00000.parquet"))),
        ("s3://memory/a", Some((store.uri(), "a"))),
        (&gbif.uri_of("occurrence/x"), Some((gbif.uri(), "occurrence/x"))),
        ("s3://memory2/a", None),
        ("/etc/passwd", None),
    ] {
        let found = stores.locate(uri).ok().map(|(store, key)| (store.uri(), key));
        assert_eq!(found, expected, "{uri}");
    }
}
