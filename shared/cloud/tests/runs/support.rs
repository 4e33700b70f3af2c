//! A small run in memory: two squares, a register of one taxon, records that lie in one of the squares.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use bisonflow_cloud::count::{PartStores, count_subsets};
use bisonflow_cloud::run_store::to_json;
use bisonflow_cloud::{RunStore, Store, reference};
use bisonflow_contract::document::{
    Landing, LandingRecords, LayerCount, Part, Plan, RiisCounts, Source, SourceKind, SubsetReport, Subsets,
    Tally, TaxonKeyShapes,
};
use bisonflow_contract::input::{FilterName, Options, Request};
use bisonflow_contract::{Checklist, StepError};
use bisonflow_summary::datasets::{DATASET_COUNTS, DatasetCounts};
use bisonflow_summary::riis_matches::{Match, RIIS_MATCHES, RiisMatches};
use bisonflow_summary::{EarliestDated, Evidence, PartialCounts};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};

pub(crate) const EXECUTION: &str = "arn:aws:states:us-east-1:1:execution:bisonflow:one";

pub(crate) const LAYERS: &str = r#"
riis_region_from = "square_state"
[[layer]]
name = "square"
source = "squares.geojson"
vintage = "2020"
scale = "1:500k"
id = "ID"
fields = { square_id = "ID", square_name = "NAME", square_state = "STUSPS" }
[[summary]]
name = "square"
by = ["square_id", "square_name"]
min_count = 3
"#;

pub(crate) const RIIS: &str = "locality,scientificName,taxonRank,Introduced or Invasive,GBIF taxonKey,occurrenceID\n\
                        L48,Bromus tectorum,Species,Invasive,2703647,USRIIS-L48-1\n";

/// Two squares of one degree, side by side.
pub(crate) fn squares() -> String {
    let square = |id: &str, lon: f64| {
        let ring = [[lon, 40.0], [lon + 1.0, 40.0], [lon + 1.0, 41.0], [lon, 41.0], [lon, 40.0]];
        json!({"type": "Feature", "properties": {"ID": id, "NAME": format!("Square {id}"), "STUSPS": "KS"},
               "geometry": {"type": "Polygon", "coordinates": [ring]}})
    };
    json!({"type": "FeatureCollection", "features": [square("1", -100.0), square("2", -99.0)]}).to_string()
}

/// A store with reference data.
pub(crate) async fn store() -> Store {
    let store = Store::memory();
    store.put("reference/layers.toml", LAYERS).await.unwrap();
    store.put("reference/squares.geojson", squares()).await.unwrap();
    store.put("reference/riis.csv", RIIS).await.unwrap();
    store
}

pub(crate) fn options(options: Value) -> Options {
    let asked = Request::parse(json!({"source": "s3://memory/uploads/a.zip", "options": options})).unwrap();
    let Request::Asked(input) = asked else { panic!("not asked for") };
    input.options
}

/// Plans a run of generation 1.
pub(crate) async fn plan(store: &Store, asked: Value) -> Plan {
    plan_of(store, "upload-a-zip-0123abcd", asked).await
}

/// Plans a run of generation 1 and this name.
pub(crate) async fn plan_of(store: &Store, run_id: &str, asked: Value) -> Plan {
    let options = options(asked);
    let plan = Plan {
        run_id: run_id.parse().unwrap(),
        generation: 1,
        execution_arn: EXECUTION.into(),
        planned_at: "2026-11-23T00:00:00Z".parse().unwrap(),
        source_identity: Some("etag a, 1 bytes".into()),
        checklist: options.checklist.clone(),
        reference: reference::pin(store, &options).await.unwrap(),
        input: serde_json::from_value(json!({"source": "s3://memory/uploads/a.zip", "options": options}))
            .unwrap(),
    };
    write_plan(store, &plan).await;
    plan
}

pub(crate) async fn write_plan(store: &Store, plan: &Plan) {
    store.put(&RunStore::new(store, &plan.run_id).layout().plan(), to_json(plan)).await.unwrap();
}

/// Records as annotating leaves them: every other in square 1, the rest outside.
pub(crate) fn batch(records: usize) -> RecordBatch {
    let inside =
        |text: &'static str| (0..records).map(|i| (i % 2 == 0).then_some(text)).collect::<StringArray>();
    let all = |text: &str| StringArray::from_iter_values((0..records).map(|_| text));
    let columns: [(&str, ArrayRef); 9] = [
        ("eventdate", Arc::new(all("2020-05-01"))),
        ("year", Arc::new(Int32Array::from_iter_values((0..records).map(|_| 2020)))),
        ("taxonkey", Arc::new(all("2703647"))),
        ("scientificname", Arc::new(all("Bromus tectorum L."))),
        ("specieskey", Arc::new(all("2703647"))),
        ("species", Arc::new(all("Bromus tectorum"))),
        ("square_id", Arc::new(inside("1"))),
        ("square_name", Arc::new(inside("Square 1"))),
        ("riis_assessment", Arc::new(all("invasive"))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// A Parquet file with row groups of these sizes.
pub(crate) fn parquet(row_groups: &[usize]) -> Vec<u8> {
    let properties = WriterProperties::builder().build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch(0).schema(), Some(properties)).unwrap();
    for &records in row_groups {
        writer.write(&batch(records)).unwrap();
        writer.flush().unwrap();
    }
    writer.into_inner().unwrap()
}

/// Lands parts with row groups of these sizes.
pub(crate) async fn land(store: &Store, plan: &Plan, parts: &[&[usize]]) -> Landing {
    let run = RunStore::new(store, &plan.run_id);
    let mut landed = Vec::new();
    for (index, row_groups) in parts.iter().enumerate() {
        let (uri, content) = (run.layout().occurrences_part(index), parquet(row_groups));
        let records = Some(row_groups.iter().sum::<usize>() as u64);
        landed.push(Part { uri: uri.clone(), records, bytes: content.len() as u64 });
        store.put(&uri, content).await.unwrap();
    }
    let records = landed.iter().filter_map(|part| part.records).sum();
    let landing = Landing {
        run_id: plan.run_id.clone(),
        generation: plan.generation,
        source: source(SourceKind::Dwca),
        source_identity: plan.source_identity.clone(),
        checklist: Checklist::backbone(),
        extra_columns: vec![],
        row_group_records: plan.options().row_group_records(),
        records: LandingRecords { read: records, landed: records, ..LandingRecords::default() },
        unparsed: Default::default(),
        geospatial_issue_differs: 0,
        taxon_keys: TaxonKeyShapes { numeric: records, ..TaxonKeyShapes::default() },
        gbif: None,
        parts: landed,
        landed_at: plan.planned_at,
    };
    write_landing(store, &landing).await;
    landing
}

pub(crate) fn source(kind: SourceKind) -> Source {
    Source {
        kind,
        uri: "s3://memory/uploads/a.zip".into(),
        bytes: 1,
        entry_sha256: None,
        entry_crc32: None,
        entry_bytes: None,
        entry_compressed: None,
        sha256: None,
        etag: Some("a".into()),
        doi: None,
        records_declared: None,
    }
}

pub(crate) async fn write_landing(store: &Store, landing: &Landing) {
    store.put(&RunStore::new(store, &landing.run_id).layout().landing(), to_json(landing)).await.unwrap();
}

/// Counts the landed records of a run, whose parts are below the root.
pub(crate) async fn count(store: &Store, plan: &Plan) -> Result<Subsets, StepError> {
    count_subsets(&PartStores::new(store, []), plan).await
}

/// Does what the workers do, for every subset: one record of each is held back by a filter.
pub(crate) async fn annotate(store: &Store, plan: &Plan, subsets: &Subsets) {
    let run = RunStore::new(store, &plan.run_id);
    let config = reference::layers_config(store, plan).await.unwrap();
    let specs = reference::summary_specs(&config);
    for (subset, records) in subsets.subsets.iter().map(|subset| subset.records as usize).enumerate() {
        let annotated = records.saturating_sub(1);
        let (uri, content) = (run.layout().annotated_part(subset), parquet(&[annotated]));
        let mut counts = PartialCounts::new(&specs, plan.run_year());
        counts.add(&batch(annotated)).unwrap();
        for (summary, partial) in counts.finish().unwrap() {
            store.put(&run.layout().partial(subset, &summary), partial).await.unwrap();
        }
        for spec in &specs {
            let mut earliest = EarliestDated::new(spec);
            let evidence = Evidence {
                gbifid: Some("7"),
                eventdate: Some("2020-05-01"),
                year: Some(2020),
                ..Evidence::default()
            };
            let (square, species) = (earliest.code("1"), earliest.code("2703647"));
            if annotated > 0 {
                earliest.add(square, species, evidence.order(plan.run_year()), &evidence);
            }
            let key = run.layout().partial(subset, &earliest.partial_name());
            store.put(&key, earliest.to_parquet().unwrap()).await.unwrap();
        }
        let (mut matches, mut datasets) = (RiisMatches::new(), DatasetCounts::new());
        let id = matches.id(&Match {
            riis_occurrence_id: "USRIIS-L48-1",
            riis_scientificname: Some("Bromus tectorum"),
            acceptedscientificname: Some("Bromus tectorum L."),
            key: "2703647",
            matched_key: "taxon",
            specieskey: Some("2703647"),
        });
        matches.add(id, annotated as u64);
        let id = datasets.id(Some("50c9509d"), None, Some("CC0_1_0"));
        datasets.add(id, records as u64, annotated as u64, Some((2020, 2020)));
        for (name, partial) in
            [(RIIS_MATCHES, matches.to_parquet().unwrap()), (DATASET_COUNTS, datasets.to_parquet().unwrap())]
        {
            store.put(&run.layout().partial(subset, name), partial).await.unwrap();
        }
        let inside = annotated.div_ceil(2) as u64;
        let layer = LayerCount { inside, outside: annotated as u64 - inside };
        let report = SubsetReport {
            run_id: plan.run_id.clone(),
            generation: plan.generation,
            subset,
            tally: Tally {
                records: records as u64,
                filtered: [(FilterName::Country, (records - annotated) as u64)].into(),
                annotated: annotated as u64,
                layers: [("square".to_owned(), layer)].into(),
                riis: RiisCounts { invasive: annotated as u64, ..RiisCounts::default() },
            },
            annotated_part: Part {
                uri: uri.clone(),
                records: Some(annotated as u64),
                bytes: content.len() as u64,
            },
        };
        store.put(&uri, content).await.unwrap();
        run.write(&run.layout().subset_report(subset), &report).await.unwrap();
    }
}

pub(crate) async fn keys(store: &Store, prefix: &str) -> Vec<String> {
    store.list(prefix).await.unwrap().into_iter().map(|meta| meta.location.to_string()).collect()
}
