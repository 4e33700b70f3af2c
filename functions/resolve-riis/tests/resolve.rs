//! The step against a stand-in for GBIF's service, which answers slowly, not at all, or nothing of use.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

#[path = "../../../shared/cloud/tests/runs/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the cloud crate, which need more of it")]
mod support;

use std::time::Duration;

use bisonflow_cloud::species_match::stand_in::{Behaviour, StandIn};
use bisonflow_cloud::{RunStore, Store, reference};
use bisonflow_contract::RunRef;
use bisonflow_contract::document::Plan;
use bisonflow_contract::resolve_riis::{Request, Response, State};
use bisonflow_riis::{Register, RiisRegion};
use jiff::Timestamp;
use resolve_riis::{ResolveRiis, server};
use serde_json::json;

const HEADER: &str = "locality,scientificName,scientificNameAuthorship,taxonRank,Introduced or Invasive,kingdom,\
                      GBIF taxonKey,occurrenceID\n";

/// A register of so many species, whose own key is 1000 and more.
fn register(species: usize) -> String {
    let row = |n| format!("L48,Species number{n},,Species,Invasive,Plantae,{},USRIIS-L48-{n}\n", 1000 + n);
    (0..species).fold(HEADER.to_owned(), |text, n| text + &row(n))
}

/// A service that knows the species by key 7000 and more, and takes so long for each.
fn service(latency: Duration) -> StandIn {
    let answer = |name: &str| {
        let n: usize = name.trim_start_matches("Species number").parse().unwrap();
        json!({"usage": {"key": (7000 + n).to_string(), "name": name, "rank": "SPECIES", "status": "ACCEPTED"},
               "classification": [{"key": "6", "name": "Plantae", "rank": "KINGDOM"}],
               "diagnostics": {"matchType": "EXACT", "confidence": 99}, "synonym": false})
    };
    let behave = move |seen: &bisonflow_cloud::species_match::stand_in::Seen, _| {
        Behaviour::Answer(answer(&seen.parameter("scientificName")).to_string())
    };
    StandIn::start(latency, behave).unwrap()
}

async fn planned(register: &str, options: serde_json::Value) -> (Store, Plan) {
    let store = support::store().await;
    store.put("reference/riis.csv", register.to_owned()).await.unwrap();
    let plan = support::plan(&store, options).await;
    support::land(&store, &plan, &[&[4]]).await;
    (store, plan)
}

fn step(store: &Store, server: Option<&str>, work_time: Duration) -> ResolveRiis {
    ResolveRiis { store: store.clone(), server: server.map(str::to_owned), work_time }
}

async fn ask(step: &ResolveRiis, plan: &Plan, turns: u32) -> Response {
    step.handle(Request { run: plan.run_ref(), turns }, Timestamp::now()).await.unwrap()
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_plan_pins_the_resolved_register_and_what_it_was_made_of() {
    let service = service(Duration::ZERO);
    let (store, plan) = planned(&register(3), json!({})).await;
    let step = step(&store, Some(service.url()), MINUTE);
    let answer = ask(&step, &plan, 0).await;
    assert_eq!(answer, Response { state: State::Done, turns: 1, names: 3, answered: 3 });
    let run = RunStore::new(&store, &plan.run_id);
    let now = run.plan().await.unwrap();
    assert_eq!(now.reference.riis_resolved_from, plan.reference.riis);
    assert_eq!(now.reference.as_planned(), plan.reference);
    let resolved = reference::register(&store, &now).await.unwrap().unwrap();
    assert!(resolved.is_resolved() && resolved.checklist().is_backbone());
    let listing = |key: &str| resolved.listing(key, RiisRegion::L48).map(|listing| &*listing.occurrence_id);
    assert_eq!((listing("7002"), listing("1002")), (Some("USRIIS-L48-2"), None));
    // Once more: nothing to do, nobody asked, the plan as it is.
    assert_eq!(ask(&step, &plan, 1).await, Response { state: State::Done, turns: 2, names: 0, answered: 0 });
    assert_eq!((run.plan().await.unwrap(), service.seen().len()), (now, 3));
}

#[tokio::test]
async fn what_one_turn_leaves_the_next_goes_on_with() {
    let service = service(Duration::from_millis(100));
    let (store, plan) = planned(&register(12), json!({})).await;
    let mut turns = 0;
    let mut answered = 0;
    loop {
        let answer = ask(&step(&store, Some(service.url()), Duration::from_millis(250)), &plan, turns).await;
        turns += 1;
        answered += answer.answered;
        assert_eq!(answer.turns, turns);
        if answer.state == State::Done {
            break;
        }
        assert!(turns < 12, "no turn gets further");
    }
    assert!(turns > 1, "12 names at 4 at once and 100 ms each take longer than one turn");
    assert_eq!(answered, 12, "no answer is lost between the turns");
}

#[tokio::test]
async fn a_register_that_can_be_used_is_left_as_it_is() {
    let service = service(Duration::ZERO);
    let resolved = HEADER.replace("kingdom,", "kingdom,gbif_res_taxonkey,checklist,")
        + "L48,Species number1,,Species,Invasive,Plantae,9,col,1001,USRIIS-L48-1\n";
    assert!(Register::read("resolved", resolved.as_bytes()).unwrap().is_resolved());
    let (raw, url) = (register(1), Some(service.url()));
    for (register, server, options) in [
        (&resolved, url, json!({"checklist": "col"})),
        (&raw, None, json!({})),
        (&raw, url, json!({"riis": "none"})),
    ] {
        let (store, plan) = planned(register, options).await;
        let answer = ask(&step(&store, server, MINUTE), &plan, 0).await;
        assert_eq!(answer, Response { state: State::Done, turns: 1, names: 0, answered: 0 });
        assert_eq!(RunStore::new(&store, &plan.run_id).plan().await.unwrap(), plan);
    }
    assert_eq!(service.seen().len(), 0);
}

#[tokio::test]
async fn what_cannot_be_resolved_has_a_name() {
    let empty = StandIn::start(Duration::ZERO, |_, _| {
        Behaviour::Answer(json!({"diagnostics": {"matchType": "NONE", "confidence": 100}}).to_string())
    })
    .unwrap();
    let (store, plan) = planned(&register(2), json!({})).await;
    let request = Request { run: plan.run_ref(), turns: 0 };
    let error =
        step(&store, Some(empty.url()), MINUTE).handle(request.clone(), Timestamp::now()).await.unwrap_err();
    assert_eq!(error.name().as_str(), "BadReferenceData", "{error}");
    assert!(error.to_string().contains("none of its 2 rows"), "{error}");
    let before = RunStore::new(&store, &plan.run_id).plan().await.unwrap();
    assert_eq!(before, plan, "a failure changes nothing");

    let other = Request { run: RunRef { execution_arn: "other".into(), ..plan.run_ref() }, turns: 0 };
    let error = step(&store, None, MINUTE).handle(other, Timestamp::now()).await.unwrap_err();
    assert_eq!(error.name().as_str(), "RunTakenOver", "{error}");

    let error = step(&store, Some("gbif"), MINUTE).handle(request, Timestamp::now()).await.unwrap_err();
    assert_eq!(error.name().as_str(), "InvalidInput", "{error}");
    assert_eq!(server("none"), None);
}
