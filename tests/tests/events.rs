//! `tests/events`: what the functions are invoked with, for `sam local invoke` and the local cloud.

use std::collections::BTreeMap;

use bisonflow_contract::input::Request as Input;
use bisonflow_contract::{
    add_annotation_fields, count_subsets, launch_spot_downloader, parse, plan_run, resolve_riis,
    start_crawler, submit_batch_job, summarize_run,
};
use bisonflow_tests::repo;
use serde_json::Value;

type Check = fn(Value) -> Result<(), bisonflow_contract::StepError>;

fn checks() -> BTreeMap<&'static str, Check> {
    BTreeMap::from([
        (
            "add-annotation-fields",
            (|v| parse::<add_annotation_fields::Request>("event", v).map(drop)) as Check,
        ),
        ("count-subsets", |v| parse::<count_subsets::Request>("event", v).map(drop)),
        ("launch-spot-downloader", |v| parse::<launch_spot_downloader::Request>("event", v).map(drop)),
        ("plan-run", |v| {
            let request: plan_run::Request = parse("event", v)?;
            Input::parse(request.input).map(drop)
        }),
        ("resolve-riis", |v| parse::<resolve_riis::Request>("event", v).map(drop)),
        ("start-crawler", |v| parse::<start_crawler::Request>("event", v).map(drop)),
        ("submit-batch-job", |v| parse::<submit_batch_job::Request>("event", v).map(drop)),
        ("summarize-run", |v| parse::<summarize_run::Request>("event", v).map(drop)),
    ])
}

#[test]
fn every_function_has_an_event() {
    let events = repo::list("tests/events");
    for function in repo::list("functions") {
        assert!(events.contains(&format!("{function}.json")), "tests/events/{function}.json is missing");
        assert!(checks().contains_key(function.as_str()), "{function} has no check here");
    }
}

#[test]
fn every_event_is_a_request_of_its_function() {
    for file in repo::list("tests/events") {
        let checks = checks();
        let (_, check) = checks
            .iter()
            .rev()
            .find(|(function, _)| file.starts_with(*function))
            .unwrap_or_else(|| panic!("tests/events/{file} is named after no function"));
        let event = repo::read_json(&format!("tests/events/{file}"));
        check(event).unwrap_or_else(|error| panic!("tests/events/{file}: {error}"));
    }
}

#[test]
fn the_upload_event_is_recognised() {
    let event: plan_run::Request =
        parse("event", repo::read_json("tests/events/plan-run-upload.json")).expect("the event is a request");
    let Ok(Input::Uploaded(object)) = Input::parse(event.input) else { panic!("expected an upload") };
    assert!(object.uri.key().starts_with(bisonflow_contract::layout::UPLOADS), "{}", object.uri);
}
