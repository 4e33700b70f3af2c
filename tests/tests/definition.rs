//! The definition of the state machine says what the code does.

use std::collections::{BTreeMap, BTreeSet};

use bisonflow_contract::ErrorName;
use bisonflow_tests::definition::{State, error_names};
use bisonflow_tests::steps::{STEPS, Step, pascal_case};
use bisonflow_tests::{Definition, golden, repo, source};
use serde_json::Value;

/// What AWS itself may answer to an invocation and a later try may mend; from the developer guide.
const LAMBDA_TRANSIENT: [&str; 5] = [
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
];

/// A function that crashed or ran out of its time: tried again, as every step may be repeated.
const CRASHED: [&str; 3] = ["Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout"];

fn is_of_aws(name: &str) -> bool {
    name.starts_with("States.") || LAMBDA_TRANSIENT.contains(&name) || CRASHED.contains(&name)
}

fn contract_names() -> BTreeSet<&'static str> {
    ErrorName::ALL.iter().map(|name| name.as_str()).collect()
}

fn ours<'a>(names: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    names.iter().copied().filter(|name| !is_of_aws(name)).collect()
}

#[test]
fn every_error_name_of_the_definition_is_in_the_contract_and_the_other_way_round() {
    let definition = Definition::read();
    let mut named = BTreeSet::new();
    for state in definition.states() {
        named.extend(ours(&state.errors("Retry")));
        named.extend(ours(&state.errors("Catch")));
        named.extend(state.json["Result"]["Error"].as_str());
    }
    assert_eq!(named, contract_names());
}

#[test]
fn a_permanent_error_is_caught_by_name_and_a_transient_one_is_retried() {
    let definition = Definition::read();
    for step in STEPS {
        let state = definition.state(step.state);
        let (transient, permanent): (BTreeSet<&str>, BTreeSet<&str>) = {
            let (transient, permanent): (Vec<ErrorName>, Vec<ErrorName>) =
                step.raises.iter().copied().partition(|name| name.is_transient());
            let texts = |names: Vec<ErrorName>| names.into_iter().map(ErrorName::as_str).collect();
            (texts(transient), texts(permanent))
        };
        assert_eq!(ours(&state.errors("Catch")), permanent, "{}: Catch", step.state);
        assert_eq!(ours(&state.errors("Retry")), transient, "{}: Retry", step.state);
    }
}

#[test]
fn what_the_code_of_a_function_raises_is_expected_of_its_states() {
    for function in repo::list("functions") {
        let expected: BTreeSet<&str> = STEPS
            .iter()
            .filter(|step| step.function == function)
            .flat_map(|step| step.raises)
            .map(|name| name.as_str())
            .collect();
        let mut raised = source::names_after(&format!("functions/{function}"), "StepError::");
        raised.extend(source::names_after(&format!("functions/{function}"), "ErrorName::"));
        let raised: BTreeSet<&str> =
            raised.iter().map(String::as_str).filter(|name| contract_names().contains(name)).collect();
        let surprising: Vec<_> = raised.difference(&expected).collect();
        assert!(surprising.is_empty(), "{function} raises {surprising:?}; no state of STEPS expects it");
    }
}

#[test]
fn every_function_invocation_retries_what_aws_calls_transient() {
    for state in Definition::read().function_tasks() {
        let retried = state.errors("Retry");
        for name in LAMBDA_TRANSIENT.iter().chain(&CRASHED) {
            assert!(retried.contains(name), "{} does not retry {name}", state.name);
        }
    }
}

#[test]
fn retries_back_off_with_jitter_and_end() {
    for state in Definition::read().of_type("Task") {
        for rule in state.rules("Retry") {
            let at = format!("{}: {rule}", state.name);
            assert_eq!(rule["JitterStrategy"], "FULL", "{at}");
            assert!(rule["IntervalSeconds"].as_u64().is_some_and(|seconds| seconds >= 1), "{at}");
            assert!(
                rule["MaxAttempts"].as_u64().is_some_and(|attempts| (1..=60).contains(&attempts)),
                "{at}"
            );
            let rate = rule["BackoffRate"].as_f64().unwrap_or_default();
            assert!(rate >= 1.0, "{at}");
            assert!(rate == 1.0 || rule["MaxDelaySeconds"].is_u64(), "{at}: a growing wait needs a limit");
            assert!(error_names(rule).all(|name| name != "States.ALL"), "{at}: retries what is permanent");
        }
    }
}

#[test]
fn every_task_has_a_timeout_and_the_machine_too() {
    let definition = Definition::read();
    let machine = definition.json["TimeoutSeconds"].as_u64().expect("the machine has TimeoutSeconds");
    for state in definition.of_type("Task") {
        let task = state.json["TimeoutSeconds"].as_u64();
        let task = task.unwrap_or_else(|| panic!("{} has no TimeoutSeconds", state.name));
        assert!(task < machine, "{}", state.name);
        if state.json["Resource"].as_str().is_some_and(|resource| resource.ends_with(".waitForTaskToken")) {
            if state.name == "AwaitApproval" {
                continue; // a person gives no sign of life
            }
            let heartbeat = state.json["HeartbeatSeconds"].as_u64();
            let heartbeat = heartbeat.unwrap_or_else(|| panic!("{} has no HeartbeatSeconds", state.name));
            assert!(heartbeat < task, "{}", state.name);
        }
    }
}

#[test]
fn every_failure_is_kept_and_ends_in_the_one_failure_path() {
    let definition = Definition::read();
    for state in definition.of_type("Task") {
        let last = state.rules("Catch").last();
        let last = last.unwrap_or_else(|| panic!("{} has no Catch", state.name));
        assert_eq!(last["ErrorEquals"], serde_json::json!(["States.ALL"]), "{}", state.name);
        for rule in state.rules("Catch") {
            let next = rule["Next"].as_str().expect("a Catch has Next");
            // PlanRun's input may be anything, even a text: its failure replaces it and is wrapped next.
            let kept = rule["ResultPath"].is_string() || next == "PlanFailed";
            assert!(kept, "{}: a Catch without ResultPath erases the state", state.name);
            let after = reachable(&definition, next);
            assert!(after.contains("Failed"), "{}: {next} does not end in Failed", state.name);
            if next == "CheckPublished" {
                // No failure: nobody said yes, and only what was published all the same is told as a success.
                assert_eq!(state.name, "AwaitApproval");
                assert_eq!(rule["ErrorEquals"], serde_json::json!(["NotApproved", "States.Timeout"]));
                continue;
            }
            for success in ["NotifySuccess", "Finished", "AlreadyDone"] {
                assert!(!after.contains(success), "{}: {next} may end in {success}", state.name);
            }
        }
    }
    let before_failed: Vec<&str> = definition
        .states()
        .filter(|state| state.successors().contains("Failed"))
        .map(|state| state.name)
        .collect();
    assert_eq!(before_failed, ["NotifyFailure"], "nothing fails without a notification");
}

#[test]
fn a_failed_landing_ends_its_instances() {
    let definition = Definition::read();
    for rule in definition.state("LaunchSpotDownloader").rules("Catch") {
        assert_eq!(rule["Next"], "TerminateDownloader");
    }
}

#[test]
fn every_state_is_reached_and_every_next_exists() {
    let definition = Definition::read();
    let start = definition.json["StartAt"].as_str().expect("the definition has StartAt");
    let all: BTreeSet<String> = definition.states().map(|state| state.name.to_owned()).collect();
    assert_eq!(reachable(&definition, start), all);
    for state in definition.states() {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        assert!(state.name.len() <= 80 && state.name.chars().all(allowed), "{}", state.name);
        if state.json["Type"] == "Choice" {
            assert!(
                state.json["Default"].is_string(),
                "{}: what matches no choice is uncatchable",
                state.name
            );
        }
    }
}

fn reachable(definition: &Definition, start: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![start.to_owned()];
    while let Some(name) = open.pop() {
        if seen.insert(name.clone()) {
            open.extend(definition.state(&name).successors().into_iter().map(str::to_owned));
        }
    }
    seen
}

#[test]
fn the_states_the_functions_and_the_contract_go_by_the_same_names() {
    let definition = Definition::read();
    let tasks: BTreeMap<&str, &str> = definition
        .function_tasks()
        .map(|state| (state.name, state.function().expect("a function task has a function")))
        .collect();
    let expected: BTreeMap<&str, String> =
        STEPS.iter().map(|step| (step.state, step.function_id())).collect();
    let expected: BTreeMap<&str, &str> = expected.iter().map(|(state, id)| (*state, id.as_str())).collect();
    assert_eq!(tasks, expected);

    let folders: BTreeSet<String> = repo::list("functions").into_iter().collect();
    let functions: BTreeSet<String> = STEPS.iter().map(|step| step.function.to_owned()).collect();
    assert_eq!(folders, functions);
    for step in STEPS {
        let module = format!("shared/contract/src/{}.rs", step.module());
        assert!(repo::path(&module).is_file(), "{module}");
        let manifest = repo::read(&format!("functions/{}/Cargo.toml", step.function));
        assert!(manifest.contains(&format!("name = \"{}\"", step.function)), "{}", step.function);
        assert!(
            Step::of_state(&pascal_case(step.function)).is_some(),
            "{} has no state of its name",
            step.function
        );
    }
}

#[test]
fn a_payload_has_the_fields_of_the_request() {
    let definition = Definition::read();
    for step in STEPS {
        let sent = without_path_marks(&definition.state(step.state).json["Parameters"]["Payload"]);
        let schema = (step.request)().to_value();
        let allowed = properties(&schema);
        assert!(sent.is_subset(&allowed), "{}: sent {sent:?}, allowed {allowed:?}", step.state);
        let required = texts(&schema["required"]);
        assert!(required.is_subset(&sent), "{}: sent {sent:?}, required {required:?}", step.state);
    }
}

#[test]
fn a_result_has_the_fields_of_the_response() {
    let definition = Definition::read();
    for step in STEPS {
        let state = definition.state(step.state);
        let selected = &state.json["ResultSelector"];
        if step.state == "PlanRun" {
            // Its answers have different fields, so all of it is taken.
            assert_eq!(*selected, serde_json::json!({"plan.$": "$.Payload"}));
        } else if selected.is_null() {
            // The instance's report is the result itself.
            assert!(state.json["Resource"].as_str().is_some_and(|r| r.ends_with(".waitForTaskToken")));
        } else {
            assert_eq!(
                without_path_marks(selected),
                properties(&(step.response)().to_value()),
                "{}",
                step.state
            );
            for (name, path) in selected.as_object().expect("a selector is an object") {
                assert_eq!(*path, format!("$.Payload.{}", name.trim_end_matches(".$")), "{}", step.state);
            }
        }
    }
}

#[test]
fn what_a_payload_or_message_takes_from_the_state_is_there() {
    let definition = Definition::read();
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for step in STEPS {
        let path = &definition.state(step.state).json["ResultPath"];
        if let Some(name) = path.as_str() {
            known.insert(name.to_owned(), properties(&(step.response)().to_value()));
        }
    }
    known.insert("$.plan".into(), ["outcome", "run", "landing"].map(str::to_owned).into());
    known.insert("$.failure".into(), ["Error", "Cause"].map(str::to_owned).into());
    for state in definition.states().filter(|state| state.json["Type"] != "Choice") {
        let text = state.json["Parameters"].to_string();
        for path in text.split("$.").skip(1).filter(|after| !after.starts_with(['"', 'E', 'T'])) {
            let end =
                path.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(path.len());
            let parts: Vec<&str> = path[..end].trim_end_matches('.').split('.').collect();
            let Some(fields) = known.get(&format!("$.{}", parts[0])) else {
                panic!("{}: nothing puts {} into the state", state.name, parts[0])
            };
            if let Some(field) = parts.get(1) {
                assert!(fields.contains(*field), "{}: $.{} has no {field}", state.name, parts[0]);
            }
        }
    }
}

#[test]
fn every_wait_loop_has_a_limit_that_fails() {
    let definition = Definition::read();
    let machine = definition.json["TimeoutSeconds"].as_u64().expect("the machine has TimeoutSeconds");
    let mut longest = 0;
    for wait in definition.of_type("Wait") {
        let seconds = wait.json["Seconds"].as_u64().expect("a Wait has Seconds");
        assert!((30..=120).contains(&seconds), "{}: {seconds} s", wait.name);
        let check = definition.state(wait.json["Next"].as_str().expect("a Wait has Next"));
        let choice = definition.state(check.json["Next"].as_str().expect("a check has Next"));
        let turns_path =
            format!("{}.turns", check.json["ResultPath"].as_str().expect("a check has ResultPath"));
        let choices: Vec<&Value> = choice.rules("Choices").collect();
        let limit_at = choices.iter().position(|rule| rule["Variable"] == turns_path.as_str());
        let limit_at = limit_at.unwrap_or_else(|| panic!("{} does not limit {turns_path}", choice.name));
        let again_at = choices.iter().position(|rule| rule["Next"] == wait.name);
        assert!(
            again_at.is_some_and(|again_at| limit_at < again_at),
            "{} waits before it limits",
            choice.name
        );
        let limit = choices[limit_at]["NumericGreaterThanEquals"].as_u64().expect("a limit is a number");
        longest +=
            limit * (seconds + check.json["TimeoutSeconds"].as_u64().expect("a check has a timeout") / 10);
        let too_long = definition.state(choices[limit_at]["Next"].as_str().expect("a choice has Next"));
        assert_eq!(too_long.json["ResultPath"], "$.failure", "{}", too_long.name);
        // The cause tells the limit in words.
        let cause =
            too_long.json["Result"]["Cause"].as_str().expect("a failure has a Cause").replace(',', "");
        assert!(cause.contains(&limit.to_string()), "{}: {cause}", too_long.name);
    }
    assert!(longest < machine, "the loops may take {longest} s, the machine only {machine} s");
}

#[test]
fn the_language_is_what_the_local_interpreter_runs() {
    let definition = Definition::read();
    assert_eq!(definition.json["QueryLanguage"], "JSONPath");
    for state in definition.states() {
        let kind = state.json["Type"].as_str().unwrap_or_default();
        assert!(
            ["Task", "Choice", "Wait", "Pass", "Succeed", "Fail"].contains(&kind),
            "{}: {kind}",
            state.name
        );
        assert!(state.json["Assign"].is_null(), "{}: Assign", state.name);
    }
}

#[test]
fn the_table_beside_the_definition_is_current() {
    let path = "statemachine/README.md";
    let text = repo::read(path);
    let (before, after) =
        text.split_once("<!-- steps -->\n").expect("the table is between <!-- steps --> marks");
    let (_, after) = after.split_once("<!-- /steps -->").expect("the table is between <!-- steps --> marks");
    let definition = Definition::read();
    let mut table = String::from(
        "| state | function | request → response | permanent errors | retried errors |\n|---|---|---|---|---|\n",
    );
    for step in STEPS {
        table.push_str(&row(step, definition.state(step.state)));
    }
    golden::assert_golden(path, &format!("{before}<!-- steps -->\n{table}<!-- /steps -->{after}"));
}

fn row(step: &Step, state: State<'_>) -> String {
    let permanent: Vec<&str> =
        step.raises.iter().filter(|name| !name.is_transient()).map(|name| name.as_str()).collect();
    let retried: Vec<String> = state
        .rules("Retry")
        .filter_map(|rule| {
            let names: Vec<&str> = error_names(rule).filter(|name| contract_names().contains(name)).collect();
            let wait = |field: &str| rule[field].as_u64().map(|seconds| format!("{seconds} s"));
            let from = wait("IntervalSeconds")?;
            let waits = wait("MaxDelaySeconds").map_or(from.clone(), |to| format!("{from} to {to}"));
            (!names.is_empty()).then(|| format!("{}: {} × {waits}", names.join(", "), rule["MaxAttempts"]))
        })
        .collect();
    let response = match step.state {
        "LaunchSpotDownloader" => "Landed",
        "AwaitApproval" => "Approval",
        "CheckPublished" => "Checked",
        "PublishRun" => "Published",
        _ => "Response",
    };
    format!(
        "| `{}` | [`{}`](../functions/{}) | `{}::Request` → `{response}` | {} | {} |\n",
        step.state,
        step.function,
        step.function,
        step.module(),
        permanent.join(", "),
        retried.join("; ")
    )
}

fn without_path_marks(object: &Value) -> BTreeSet<String> {
    let fields = object.as_object().expect("a payload or selector is an object");
    fields.keys().map(|name| name.trim_end_matches(".$").to_owned()).collect()
}

fn properties(schema: &Value) -> BTreeSet<String> {
    schema["properties"].as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
}

fn texts(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
