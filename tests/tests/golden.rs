//! What the steps say to each other, and what a run leaves behind, as golden JSON: a change of the contract shows
//! in the diff of `tests/golden`.

use std::collections::{BTreeMap, BTreeSet};

use bisonflow_contract::document::{
    AwaitedApproval, Control, GbifDownload, HashedBytes, Landing, LandingCheckpoint, LandingRecords,
    LayerCount, Ledger, LedgerRecords, Manifest, NewInRun, Part, Pin, Plan, Reference, RequestedDownload,
    RiisCounts, Slice, Source, SourceKind, Subset, SubsetFailure, SubsetReport, Subsets, Table, TableFile,
    Tally, TaxonKeyShapes,
};
use bisonflow_contract::drift::{DatasetDrift, Drift, DriftLimits, DriftRow, Measure, Verdict};
use bisonflow_contract::input::{
    DownloadFormat, DownloadRequest, FilterName, FilterSetting, Input, Market, Options, Origin, RiisChoice,
    SourceUri,
};
use bisonflow_contract::publication::{
    Comparability, ComparedLayer, Current, Publication, PublicationState, Publications,
};
use bisonflow_contract::{
    CheckAction, Checklist, ErrorName, RunId, RunRef, StepError, add_annotation_fields, count_subsets,
    launch_spot_downloader, plan_run, resolve_riis, start_crawler, submit_batch_job, summarize_run,
};
use bisonflow_tests::{golden, repo};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// A golden file: its name, the example as JSON, and whether JSON is read as its type.
struct Example {
    name: &'static str,
    json: String,
    parse: fn(Value) -> Result<String, StepError>,
}

fn example<T: Serialize + DeserializeOwned>(name: &'static str, value: &T) -> Example {
    let parse =
        |value: Value| bisonflow_contract::parse::<T>("document", value).map(|value| golden::to_json(&value));
    Example { name, json: golden::to_json(value), parse }
}

const EXECUTION: &str = "arn:aws:states:us-east-1:111122223333:execution:bisonflow:example";

fn run_id() -> RunId {
    "upload-us-2022-600-dwca-0a1b2c3d".parse().expect("the example is well formed")
}

fn run() -> RunRef {
    RunRef { run_id: run_id(), generation: 1, execution_arn: EXECUTION.into() }
}

fn moment(text: &str) -> jiff::Timestamp {
    text.parse().expect("the example is a moment")
}

fn options() -> Options {
    Options {
        subset_records: Some(250),
        market: Some(Market::OnDemand),
        layers: Some(vec!["county".into(), "aiannh".into()]),
        filters: BTreeMap::from([
            (FilterName::Country, FilterSetting::Values(vec!["US".into(), "PR".into()])),
            (FilterName::Rank, FilterSetting::Off(false)),
            (FilterName::MaxUncertaintyM, FilterSetting::Limit(1000.0)),
        ]),
        riis: Some(RiisChoice::At("s3://bison-data/reference/riis.csv".parse().expect("well formed"))),
        checklist: Some(Checklist::backbone()),
        columns: vec!["eventID".into()],
        force: true,
    }
}

fn input(options: Options) -> Input {
    let uri = String::from("s3://bison-data/uploads/us-2022-600-dwca.zip");
    Input { origin: Origin::Source(SourceUri::try_from(uri).expect("the example is well formed")), options }
}

fn pin(name: &str) -> Pin {
    Pin {
        uri: format!("s3://bison-data/reference/{name}"),
        version_id: Some("uhggCJ2_B6gU2JaXWXebnXFDstO0ID6G".into()),
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        bytes: 48_211,
    }
}

fn reference() -> Reference {
    Reference {
        layers_toml: pin("layers.toml"),
        layer_sources: BTreeMap::from([(
            "us_county_2017_10m.zip".into(),
            Pin { uri: "default:us_county_2017_10m.zip".into(), version_id: None, ..pin("") },
        )]),
        index: Some(pin("regions.index")),
        riis: Some(pin("riis.csv")),
        riis_resolved_from: None,
    }
}

fn drift() -> Drift {
    Drift {
        run_id: run_id(),
        generation: 1,
        baseline: Some("upload-us-2022-750-dwca-9f8e7d6c".parse().expect("the example is well formed")),
        verdict: Verdict::Held,
        limits: DriftLimits::default(),
        same_register: true,
        rows: vec![DriftRow {
            of: "all".into(),
            key: None,
            label: None,
            measure: Measure::Records,
            old: 750,
            new: 600,
            decides: true,
        }],
        left_out: 0,
        datasets: vec![DatasetDrift {
            datasetkey: Some("50c9509d-22c7-4a22-a47d-8c48425ef4a7".into()),
            old: 400,
            new: 250,
        }],
    }
}

fn comparability() -> Comparability {
    let words = [
        (FilterName::Country, "countrycode US, or blank"),
        (FilterName::GeospatialIssue, "no geospatial issue"),
    ];
    Comparability {
        source_kind: SourceKind::Dwca,
        predicate_sha256: Some(pin("").sha256),
        filters: words.map(|(name, words)| (name, words.to_owned())).into(),
        checklist: Checklist::backbone(),
        layers: vec![ComparedLayer { name: "county".into(), vintage: "2017".into(), sha256: pin("").sha256 }],
        riis_sha256: Some(pin("").sha256),
    }
}

fn source() -> Source {
    Source {
        kind: SourceKind::Dwca,
        uri: "s3://bison-data/uploads/us-2022-600-dwca.zip".into(),
        bytes: 88_123,
        entry_sha256: Some("2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".into()),
        entry_crc32: Some("8c736521".into()),
        entry_bytes: Some(706_512),
        entry_compressed: Some(HashedBytes {
            bytes: 87_001,
            sha256: Some("fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9".into()),
            crc32: "76d32be0".into(),
        }),
        sha256: None,
        etag: Some("4af981f98d22a0b9979da24b259e5e42-12".into()),
        doi: Some("10.15468/dl.abcdef".into()),
        records_declared: Some(600),
    }
}

fn layers() -> BTreeMap<String, LayerCount> {
    BTreeMap::from([
        ("aiannh".into(), LayerCount { inside: 7, outside: 593 }),
        ("county".into(), LayerCount { inside: 598, outside: 2 }),
    ])
}

fn riis() -> RiisCounts {
    RiisCounts { introduced: 9, invasive: 92, not_listed: 497, not_assessed: 2, ..RiisCounts::default() }
}

fn filtered() -> BTreeMap<FilterName, u64> {
    FilterName::ALL.into_iter().take(6).map(|name| (name, 0)).collect()
}

fn landing_records() -> LandingRecords {
    LandingRecords { read: 600, ragged: 0, rejected: 0, landed: 600 }
}

fn part(uri: &str) -> Part {
    Part { uri: uri.into(), records: Some(600), bytes: 61_234 }
}

fn messages() -> Vec<Example> {
    let check = CheckAction::Check;
    vec![
        example(
            "plan_run.request",
            &plan_run::Request { execution_arn: EXECUTION.into(), input: json!({"snapshot": "2026-07-01"}) },
        ),
        example(
            "plan_run.response.planned",
            &plan_run::Response::Planned { run: run(), landing: plan_run::Landing::Download },
        ),
        example(
            "plan_run.response.duplicate",
            &plan_run::Response::Duplicate { run_id: run_id(), execution_arn: EXECUTION.into() },
        ),
        example(
            "plan_run.response.ignored",
            &plan_run::Response::Ignored { reason: "uploads/new/ is a folder marker".into() },
        ),
        example(
            "launch_spot_downloader.request",
            &launch_spot_downloader::Request {
                action: launch_spot_downloader::Action::Start,
                run: run(),
                task_token: Some("AQC8AAAAKgAAAAMAAAAA".into()),
            },
        ),
        example(
            "launch_spot_downloader.request.terminate",
            &launch_spot_downloader::Request {
                action: launch_spot_downloader::Action::Terminate,
                run: run(),
                task_token: None,
            },
        ),
        example(
            "launch_spot_downloader.response",
            &launch_spot_downloader::Response { instance_ids: vec!["i-0123456789abcdef0".into()] },
        ),
        example(
            "launch_spot_downloader.landed",
            &launch_spot_downloader::Landed { records: landing_records(), parts: 1 },
        ),
        example("resolve_riis.request", &resolve_riis::Request { run: run(), turns: 1 }),
        example(
            "resolve_riis.response",
            &resolve_riis::Response {
                state: resolve_riis::State::Running,
                turns: 2,
                names: 14_003,
                answered: 9_870,
            },
        ),
        example(
            "start_crawler.request",
            &start_crawler::Request { action: CheckAction::Start, run: run(), turns: 0 },
        ),
        example(
            "start_crawler.request.check",
            &start_crawler::Request { action: check, run: run(), turns: 3 },
        ),
        example(
            "start_crawler.response",
            &start_crawler::Response { state: start_crawler::CrawlState::Running, turns: 4 },
        ),
        example("add_annotation_fields.request", &add_annotation_fields::Request { run: run() }),
        example(
            "add_annotation_fields.response",
            &add_annotation_fields::Response { occurrences_added: 1, annotated_added: 66 },
        ),
        example("count_subsets.request", &count_subsets::Request { run: run() }),
        example("count_subsets.response", &count_subsets::Response { records: 600, subsets: 3 }),
        example(
            "submit_batch_job.request",
            &submit_batch_job::Request {
                action: CheckAction::Start,
                run: run(),
                subsets: 3,
                job_id: None,
                turns: 0,
            },
        ),
        example(
            "submit_batch_job.request.check",
            &submit_batch_job::Request {
                action: check,
                run: run(),
                subsets: 3,
                job_id: Some("c61ca0a3-3b6c-4d9c-9a8b-1f6f0b8d7a10".into()),
                turns: 7,
            },
        ),
        example(
            "submit_batch_job.response",
            &submit_batch_job::Response {
                job_id: "c61ca0a3-3b6c-4d9c-9a8b-1f6f0b8d7a10".into(),
                state: submit_batch_job::JobState::Running,
                subsets: 3,
                waiting: 1,
                running: 1,
                succeeded: 1,
                failed: 0,
                turns: 8,
            },
        ),
        example(
            "summarize_run.request",
            &summarize_run::Request { action: summarize_run::Action::Start, run: run(), task_token: None },
        ),
        example(
            "summarize_run.request.hold",
            &summarize_run::Request {
                action: summarize_run::Action::Hold,
                run: run(),
                task_token: Some("AQC8AAAAKgAAAAMAAAAA".into()),
            },
        ),
        example(
            "summarize_run.request.check",
            &summarize_run::Request { action: summarize_run::Action::Check, run: run(), task_token: None },
        ),
        example(
            "summarize_run.request.publish",
            &summarize_run::Request { action: summarize_run::Action::Publish, run: run(), task_token: None },
        ),
        example(
            "summarize_run.approval",
            &summarize_run::Approval { approved_at: "2026-09-03T08:00:00Z".into() },
        ),
        example("summarize_run.checked", &summarize_run::Checked { published: true }),
        example("summarize_run.published", &summarize_run::Published { tables: 28, deleted_runs: 0 }),
        example(
            "summarize_run.response",
            &summarize_run::Response {
                run_id: run_id(),
                read: 600,
                rejected: 0,
                filtered: 0,
                annotated: 600,
                layers: layers(),
                riis: riis(),
                ledger_line: "read 600 = rejected 0 + filtered 0 + annotated 600".into(),
                drift: drift().sentence(),
                hold: true,
                root: "s3://bison-data".into(),
                new_in_run: "county: not compared, because no other run is published".into(),
                report: format!("s3://bison-data/runs/run={}/report.html", run_id()),
                manifest: format!("s3://bison-data/runs/run={}/manifest.json", run_id()),
                annotated_location: format!("s3://bison-data/annotated/run={}/", run_id()),
                csv_location: format!("s3://bison-data/csv/run={}/", run_id()),
            },
        ),
    ]
}

fn documents() -> Vec<Example> {
    let tally = Tally { records: 600, filtered: filtered(), annotated: 600, layers: layers(), riis: riis() };
    vec![
        example("input", &input(Options::default())),
        example("input.options", &input(options())),
        example(
            "plan",
            &Plan {
                run_id: run_id(),
                generation: 1,
                execution_arn: EXECUTION.into(),
                planned_at: moment("2026-09-02T04:11:07Z"),
                input: input(options()),
                source_identity: Some("4af981f98d22a0b9979da24b259e5e42-12".into()),
                checklist: Some(Checklist::backbone()),
                reference: reference(),
            },
        ),
        example("control", &Control {
                run: run(),
                task_token: "AQC8AAAAKgAAAAMAAAAA".into(),
                gbif_api: "https://api.gbif.org/".into(),
            }),
        example(
            "landing",
            &Landing {
                run_id: run_id(),
                generation: 1,
                source: source(),
                source_identity: Some("4af981f98d22a0b9979da24b259e5e42-12".into()),
                checklist: Checklist::backbone(),
                extra_columns: vec!["eventID".into()],
                row_group_records: 250,
                records: landing_records(),
                unparsed: BTreeMap::from([("decimallatitude".into(), 2)]),
                geospatial_issue_differs: 1,
                taxon_keys: TaxonKeyShapes { numeric: 598, other: 0, none: 2 },
                gbif: Some(GbifDownload {
                    key: "0006607-230918134249559".parse().expect("the example is well formed"),
                    citation: Some("GBIF.org (2 October 2023) GBIF Occurrence Download https://doi.org/10.15468/dl.abcdef".into()),
                    doi: Some("10.15468/dl.abcdef".into()),
                    license: Some("http://creativecommons.org/licenses/by-nc/4.0/legalcode".into()),
                    format: Some("DWCA".into()),
                    checklist: None,
                    predicate: Some(json!({"type": "equals", "key": "COUNTRY", "value": "US"})),
                    created: Some("2023-10-02T14:18:28.123+00:00".into()),
                    bytes: Some(88_123),
                    records: Some(600),
                    datasets: Some(1),
                }),
                parts: vec![part(&format!("occurrences/run={}/part-00000.parquet", run_id()))],
                landed_at: moment("2026-09-02T04:15:00Z"),
            },
        ),
        example(
            "requested_download",
            &RequestedDownload {
                request: DownloadRequest {
                    predicate: json!({"type": "equals", "key": "COUNTRY", "value": "US"})
                        .as_object()
                        .expect("it is an object")
                        .clone(),
                    format: DownloadFormat::Dwca,
                },
                checklist: Some(Checklist::from("col".to_owned())),
                execution_arn: EXECUTION.into(),
                requested_at: moment("2026-09-02T04:11:07Z"),
                download_key: Some("0006607-230918134249559".parse().expect("the example is well formed")),
            },
        ),
        example(
            "landing_checkpoint",
            &LandingCheckpoint {
                run_id: run_id(),
                generation: 1,
                version: "0.1.0".into(),
                uri: source().uri,
                content: Some("\"4af981f98d22a0b9979da24b259e5e42-12\", 88123 bytes".into()),
                columns: vec!["eventID".into()],
                row_group_records: 250,
                parts: vec![part(&format!("occurrences/run={}/part-00000.parquet", run_id()))],
            },
        ),
        example(
            "subsets",
            &Subsets {
                run_id: run_id(),
                generation: 1,
                records: 600,
                subsets: vec![Subset {
                    records: 600,
                    slices: vec![Slice {
                        uri: format!("occurrences/run={}/part-00000.parquet", run_id()),
                        first_row_group: 0,
                        row_groups: 3,
                        records: 600,
                    }],
                }],
            },
        ),
        example(
            "subset_report",
            &SubsetReport {
                run_id: run_id(),
                generation: 1,
                subset: 0,
                tally,
                annotated_part: part(&format!("annotated/run={}/part-00000.parquet", run_id())),
            },
        ),
        example(
            "subset_failure",
            &SubsetFailure {
                generation: 1,
                subset: 2,
                error: ErrorName::BadReferenceData,
                cause: "layers.toml: layer \"county\": no attribute \"GEOID\"".into(),
            },
        ),
        example(
            "ledger",
            &Ledger {
                run_id: run_id(),
                generation: 1,
                checklist: Checklist::backbone(),
                options: Options { subset_records: Some(250), ..Options::default() },
                source: Source { etag: None, ..source() },
                records: LedgerRecords {
                    read: 600,
                    ragged: 0,
                    rejected: 0,
                    landed: 600,
                    filtered: filtered(),
                    annotated: 600,
                },
                layers: layers(),
                riis: riis(),
                subsets: 1,
            },
        ),
        example(
            "manifest",
            &Manifest {
                run_id: run_id(),
                generation: 1,
                execution_arn: EXECUTION.into(),
                version: "0.1.0".into(),
                finished_at: moment("2026-09-02T04:20:00Z"),
                reference: reference(),
                comparability: Some(comparability()),
                tables: BTreeMap::from([(
                    "annotated".into(),
                    Table {
                        prefix: format!("annotated/run={}/", run_id()),
                        rows: 600,
                        files: vec![TableFile {
                            key: format!("annotated/run={}/part-00000.parquet", run_id()),
                            bytes: Some(52_480),
                        }],
                    },
                )]),
                new_in_run: BTreeMap::from([
                    (
                        "county".into(),
                        NewInRun::Compared {
                            with: "gbif-0005000-230918134249559".parse().expect("a run id"),
                            pairs: 3,
                            nonnative: 1,
                            notable: 1,
                            first: vec![
                                "Bromus tectorum in KS Douglas County (invasive): 2025-05-01, gbifid 1234".into(),
                            ],
                        },
                    ),
                    (
                        "state".into(),
                        NewInRun::NotCompared { because: "no other run is published".into() },
                    ),
                ]),
                notes: vec!["layer county is of 1:10M: demonstration geometry".into()],
            },
        ),
        example("drift", &drift()),
        example(
            "approval",
            &AwaitedApproval { run: run(), task_token: "AQC8AAAAKgAAAAMAAAAA".into() },
        ),
        example(
            "latest",
            &Publications {
                current: Some(Current {
                    run_id: run_id(),
                    generation: 1,
                    since: moment("2026-09-02T04:21:00Z"),
                }),
                history: vec![Publication {
                    run_id: run_id(),
                    generation: 1,
                    published_at: moment("2026-09-02T04:21:00Z"),
                    state: PublicationState::Published,
                    comparability: comparability(),
                }],
            },
        ),
    ]
}

#[test]
fn every_message_and_document_is_as_committed_and_reads_back() {
    for Example { name, json, parse } in messages().into_iter().chain(documents()) {
        golden::assert_golden(&format!("tests/golden/{name}.json"), &json);
        let value = serde_json::from_str(&json).expect("golden JSON is JSON");
        let back = parse(value).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(back, json, "{name}");
    }
}

#[test]
fn every_golden_file_has_its_example() {
    let expected: BTreeSet<String> =
        messages().iter().chain(&documents()).map(|example| format!("{}.json", example.name)).collect();
    let committed: BTreeSet<String> = repo::list("tests/golden").into_iter().collect();
    assert_eq!(committed, expected);
}

#[test]
fn an_unknown_field_is_refused_by_name() {
    for Example { name, json, parse } in messages().into_iter().chain(documents()) {
        if name.starts_with("input") {
            continue; // read by input::Request::parse, see the test input_schema
        }
        let mut value: Value = serde_json::from_str(&json).expect("golden JSON is JSON");
        value["colour"] = json!("green");
        match parse(value.clone()) {
            Err(StepError::InvalidInput(sentence)) => {
                assert!(sentence.contains("colour"), "{name}: {sentence}")
            }
            other => panic!("{name}: expected InvalidInput, found {other:?}"),
        }
        if value["run"].is_object() {
            value.as_object_mut().expect("a request is an object").remove("colour");
            value["run"]["shade"] = json!(1);
            let refused = parse(value).expect_err("a request's run has no shade").to_string();
            assert!(refused.contains("shade"), "{name}: {refused}");
        }
    }
}

#[test]
fn a_message_fits_into_the_payload() {
    for Example { name, json, .. } in messages() {
        assert!(json.len() < 4096, "{name}: {} bytes", json.len());
    }
}
