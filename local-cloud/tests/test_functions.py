"""Lambda: the Runtime API, pools, errors by name."""

import time
from concurrent.futures import ThreadPoolExecutor

from conftest import Cloud, wait_for


def test_a_function_answers_with_what_it_was_asked(cloud: Cloud) -> None:
    assert cloud.ask({"do": "echo", "text": "ä"}) == {"do": "echo", "text": "ä"}


def test_environment_comes_from_the_template_and_leads_to_no_real_account(cloud: Cloud) -> None:
    env = cloud.ask({"do": "env"})
    assert env["BUCKET"] == cloud.bucket
    assert env["GREETING"] == "good day $$.x ${literal}"
    assert env["AWS_ENDPOINT_URL"] == cloud.endpoint
    assert env["AWS_REGION"] == env["AWS_DEFAULT_REGION"] == "us-east-1"
    assert env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "384"
    assert "AWS_PROFILE" not in env
    assert "AWS_SESSION_TOKEN" not in env


def test_an_instance_is_kept_warm(cloud: Cloud) -> None:
    assert cloud.ask({"do": "pid"}) == cloud.ask({"do": "pid"})


def test_calls_at_the_same_time_have_instances_of_their_own(cloud: Cloud) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: cloud.ask({"do": "sleep", "seconds": 0.5}), range(8)))
    assert time.monotonic() - started < 2.0


def test_an_error_keeps_its_name_and_message(cloud: Cloud) -> None:
    answer = cloud.ask({"do": "fail", "errorType": "CrawlerBusy", "errorMessage": "it runs"})
    assert answer["FunctionError"] == "Unhandled"
    assert answer["StatusCode"] == 200
    assert answer["Payload"] == {"errorType": "CrawlerBusy", "errorMessage": "it runs"}


def test_a_crash_is_an_exit_error_and_the_next_call_works(cloud: Cloud) -> None:
    answer = cloud.ask({"do": "exit", "code": 3})
    assert answer["Payload"]["errorType"] == "Runtime.ExitError"
    assert answer["Payload"]["errorMessage"].endswith("exit status 3")
    assert "signal: 9" in cloud.ask({"do": "kill"})["Payload"]["errorMessage"]
    assert cloud.ask({"do": "echo"}) == {"do": "echo"}


def test_the_timeout_of_the_template_ends_a_call(cloud: Cloud) -> None:
    answer = cloud.ask({"do": "sleep", "seconds": 30})
    assert answer["Payload"]["errorType"] == "Sandbox.Timedout"
    assert "timed out after 2.00 seconds" in answer["Payload"]["errorMessage"]


def test_an_error_while_starting_is_told(cloud: Cloud) -> None:
    answer = cloud.ask({}, "MisfitFunctionArn")
    assert answer["Payload"]["errorType"] == "Misconfigured"


def test_an_event_invocation_does_not_wait(cloud: Cloud) -> None:
    arn = cloud.outputs["StandInFunctionArn"]
    response = cloud.client("lambda").invoke(
        FunctionName=arn, InvocationType="Event", Payload=b'{"do": "exit", "code": 0}'
    )
    assert response["StatusCode"] == 202
    log = cloud.state / "logs" / "functions" / "StandInFunction.log"
    wait_for(lambda: "going" in log.read_text())


def test_a_function_that_is_not_there_is_not_found(cloud: Cloud) -> None:
    lambda_client = cloud.client("lambda")
    try:
        lambda_client.invoke(FunctionName="nobody", Payload=b"{}")
    except lambda_client.exceptions.ResourceNotFoundException:
        return
    raise AssertionError("it was found")
