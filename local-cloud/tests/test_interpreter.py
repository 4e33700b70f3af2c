"""Step Functions: one test for each part of the interpreter that is mended or relied upon."""

import datetime
import json
import threading
import uuid
from typing import Any

import pytest
from conftest import Cloud, wait_for

TOKEN_TASK = "arn:aws:states:::lambda:invoke.waitForTaskToken"
LAMBDA_TASK = "arn:aws:states:::lambda:invoke"


def task(cloud: Cloud, payload: dict[str, Any], **fields: Any) -> dict[str, Any]:
    parameters = {"FunctionName": cloud.outputs["StandInFunctionArn"], "Payload": payload}
    return {"Type": "Task", "Resource": LAMBDA_TASK, "Parameters": parameters, **fields}


def token_task(cloud: Cloud, **fields: Any) -> dict[str, Any]:
    payload = {"do": "echo", "token.$": "$$.Task.Token"}
    return task(cloud, payload, Resource=TOKEN_TASK, TimeoutSeconds=30, **fields)


def start(cloud: Cloud, states: dict[str, Any], given: Any = None, **options: Any) -> str:
    machine = cloud.client("stepfunctions").create_state_machine(
        name=f"test-{uuid.uuid4()}",
        definition=json.dumps({"StartAt": next(iter(states)), "States": states}),
        roleArn=cloud.outputs["RoleArn"],
    )
    started = cloud.client("stepfunctions").start_execution(
        stateMachineArn=machine["stateMachineArn"], input=json.dumps(given or {}), **options
    )
    return str(started["executionArn"])


def describe(cloud: Cloud, arn: str) -> dict[str, Any]:
    described: dict[str, Any] = cloud.client("stepfunctions").describe_execution(executionArn=arn)
    return described


def end(cloud: Cloud, arn: str) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        described = describe(cloud, arn)
        return None if described["status"] == "RUNNING" else described

    ended: dict[str, Any] = wait_for(over)
    return ended


def run(cloud: Cloud, states: dict[str, Any], given: Any = None) -> dict[str, Any]:
    return end(cloud, start(cloud, states, given))


def history(cloud: Cloud, arn: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = cloud.client("stepfunctions").get_execution_history(
        executionArn=arn
    )["events"]
    return events


def token_of(cloud: Cloud, arn: str) -> str:
    def submitted() -> str | None:
        for event in history(cloud, arn):
            if event["type"] == "TaskSubmitted":
                return str(
                    json.loads(event["taskSubmittedEventDetails"]["output"])["Payload"]["token"]
                )
        return None

    return str(wait_for(submitted))


def test_an_error_is_retried_and_caught_by_its_name(cloud: Cloud) -> None:
    failing = {"do": "fail", "errorType": "CrawlerBusy", "errorMessage": "it runs"}
    states = {
        "Try": task(
            cloud,
            failing,
            Retry=[{"ErrorEquals": ["CrawlerBusy"], "IntervalSeconds": 1, "MaxAttempts": 1}],
            Catch=[
                {"ErrorEquals": ["Other"], "Next": "Other"},
                {"ErrorEquals": ["CrawlerBusy"], "ResultPath": "$.failure", "Next": "Fail"},
            ],
            End=True,
        ),
        "Other": {"Type": "Succeed"},
        "Fail": {"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "$.failure.Cause"},
    }
    arn = start(cloud, states)
    ended = end(cloud, arn)
    assert (ended["status"], ended["error"]) == ("FAILED", "CrawlerBusy")
    assert json.loads(ended["cause"]) == {"errorType": "CrawlerBusy", "errorMessage": "it runs"}
    assert sum(event["type"] == "TaskFailed" for event in history(cloud, arn)) == 2


def test_field_names_of_an_answer_stay_as_they_are(cloud: Cloud) -> None:
    answer = {"snake_case": 1, "camelCase": 2, "PascalCase": 3, "nested": [{"run_id": "x"}]}
    states = {"Ask": task(cloud, answer, OutputPath="$.Payload", End=True)}
    assert json.loads(run(cloud, states)["output"]) == answer


def test_causes_are_read_out_of_json(cloud: Cloud) -> None:
    read = {"Error.$": "$.e", "Cause.$": "States.StringToJson($.c)"}
    states = {
        "Form": {
            "Type": "Choice",
            "Choices": [
                {
                    "And": [
                        {"Variable": "$.c", "IsPresent": True},
                        {"Variable": "$.c", "StringMatches": '{"error*"errorMessage"*}'},
                    ],
                    "Next": "Read",
                }
            ],
            "Default": "Other",
        },
        "Read": {"Type": "Pass", "Parameters": read, "End": True},
        "Other": {"Type": "Fail", "Error": "NotMatched"},
    }
    cause = '{"errorType": "X", "errorMessage": "a {} *"}'
    ended = run(cloud, states, {"e": "X", "c": cause})
    assert json.loads(ended["output"])["Cause"]["errorMessage"] == "a {} *"


def test_the_start_time_is_text(cloud: Cloud) -> None:
    states = {"Ask": task(cloud, {"at.$": "$$.Execution.StartTime"}, End=True)}
    output = json.loads(run(cloud, states)["output"])
    assert datetime.datetime.fromisoformat(output["Payload"]["at"]).tzinfo is not None


def test_an_execution_without_a_name_gets_one(cloud: Cloud) -> None:
    machine = cloud.client("stepfunctions").create_state_machine(
        name="unnamed-executions",
        definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
        roleArn=cloud.outputs["RoleArn"],
    )["stateMachineArn"]
    stepfunctions = cloud.client("stepfunctions")
    arns = {stepfunctions.start_execution(stateMachineArn=machine)["executionArn"] for _ in "123"}
    assert len(arns) == 3


def test_a_reported_success_is_the_result(cloud: Cloud) -> None:
    arn = start(cloud, {"Wait": token_task(cloud, ResultPath="$.landed", End=True)}, {"kept": 1})
    token = token_of(cloud, arn)
    cloud.client("stepfunctions").send_task_success(taskToken=token, output='{"parts": 2}')
    assert json.loads(end(cloud, arn)["output"]) == {"kept": 1, "landed": {"parts": 2}}


def test_a_reported_failure_keeps_error_and_cause(cloud: Cloud) -> None:
    arn = start(cloud, {"Wait": token_task(cloud, End=True)})
    cloud.client("stepfunctions").send_task_failure(
        taskToken=token_of(cloud, arn), error="CorruptArchive", cause="the zip ends early"
    )
    ended = end(cloud, arn)
    assert (ended["error"], ended["cause"]) == ("CorruptArchive", "the zip ends early")


def test_a_missed_heartbeat_has_its_own_name_and_a_new_try_a_new_token(cloud: Cloud) -> None:
    retry = [{"ErrorEquals": ["States.HeartbeatTimeout"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    arn = start(cloud, {"Wait": token_task(cloud, HeartbeatSeconds=1, Retry=retry, End=True)})
    first = token_of(cloud, arn)
    ended = end(cloud, arn)
    assert ended["error"] == "States.HeartbeatTimeout"
    submitted = [event for event in history(cloud, arn) if event["type"] == "TaskSubmitted"]
    assert len(submitted) == 2
    scheduled = [event for event in history(cloud, arn) if event["type"] == "TaskScheduled"]
    given = {event["taskScheduledEventDetails"]["parameters"] for event in scheduled}
    assert len(given) == 2, "each try is given a token of its own"
    stepfunctions = cloud.client("stepfunctions")
    with pytest.raises(stepfunctions.exceptions.ClientError) as late:
        stepfunctions.send_task_success(taskToken=first, output="{}")
    assert late.value.response["Error"]["Code"] in ("TaskTimedOut", "InvalidToken")


def test_heartbeats_keep_a_task_alive(cloud: Cloud) -> None:
    arn = start(cloud, {"Wait": token_task(cloud, HeartbeatSeconds=2, End=True)})
    token = token_of(cloud, arn)
    for _ in range(4):
        assert not threading.Event().wait(0.8)
        cloud.client("stepfunctions").send_task_heartbeat(taskToken=token)
    cloud.client("stepfunctions").send_task_success(taskToken=token, output="{}")
    assert end(cloud, arn)["status"] == "SUCCEEDED"


def test_a_stopped_execution_is_aborted_though_it_waits_for_a_token(cloud: Cloud) -> None:
    arn = start(cloud, {"Wait": token_task(cloud, End=True)})
    token_of(cloud, arn)
    cloud.client("stepfunctions").stop_execution(executionArn=arn, error="Enough", cause="by hand")
    ended = describe(cloud, arn)
    assert (ended["status"], ended["error"], ended["cause"]) == ("ABORTED", "Enough", "by hand")
    assert ended["stopDate"] >= ended["startDate"]


def test_an_execution_that_takes_too_long_is_timed_out(cloud: Cloud) -> None:
    states = {"Wait": {"Type": "Wait", "Seconds": 30, "End": True}}
    machine = cloud.client("stepfunctions").create_state_machine(
        name="too-long",
        definition=json.dumps({"StartAt": "Wait", "TimeoutSeconds": 1, "States": states}),
        roleArn=cloud.outputs["RoleArn"],
    )["stateMachineArn"]
    arn = cloud.client("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    ended = end(cloud, arn)
    assert ended["status"] == "TIMED_OUT"
    assert ended["stopDate"] > ended["startDate"]


def test_the_machine_of_the_stack_runs_with_short_waits(cloud: Cloud) -> None:
    arn = cloud.client("stepfunctions").start_execution(
        stateMachineArn=cloud.ready["state_machine_arn"], name="by-hand", input='{"a": "b"}'
    )["executionArn"]
    assert end(cloud, arn)["status"] == "SUCCEEDED"
    told = [note for note in cloud.notifications() if "by-hand" in note["message"]]
    assert [note["message"] for note in told] == ['Done:\n{"a":"b"} in by-hand']
    assert told[0]["subject"] == "done"
