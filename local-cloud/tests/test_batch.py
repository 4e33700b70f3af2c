"""Batch: jobs and arrays as processes, retries, timeouts, logs."""

import json
from typing import Any

import pytest
from conftest import Cloud, wait_for

from local_cloud.batch import TIMEOUT_REASON, Attempt, wants_retry


def submit(cloud: Cloud, what: str, name: str = "job", **options: Any) -> str:
    submitted = cloud.client("batch").submit_job(
        jobName=name,
        jobQueue=cloud.outputs["JobQueue"],
        jobDefinition=cloud.outputs["JobDefinition"],
        parameters={"what": what},
        **options,
    )
    return str(submitted["jobId"])


def describe(cloud: Cloud, job_id: str) -> dict[str, Any]:
    described: dict[str, Any] = cloud.client("batch").describe_jobs(jobs=[job_id])["jobs"][0]
    return described


def end(cloud: Cloud, job_id: str) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        job = describe(cloud, job_id)
        return job if job["status"] in ("SUCCEEDED", "FAILED") else None

    ended: dict[str, Any] = wait_for(over)
    return ended


def log_of(cloud: Cloud, job: dict[str, Any]) -> list[str]:
    events = cloud.client("logs").get_log_events(
        logGroupName="/bisonflow/jobs", logStreamName=job["container"]["logStreamName"]
    )
    return [event["message"] for event in events["events"]]


def test_a_job_runs_the_command_of_its_definition(cloud: Cloud) -> None:
    overrides = {"environment": [{"name": "ALSO", "value": "by the caller"}]}
    job = end(cloud, submit(cloud, "env", containerOverrides=overrides))
    assert (job["status"], job["container"].get("exitCode")) == ("SUCCEEDED", None)
    (line,) = log_of(cloud, job)
    told = json.loads(line)
    assert told["argv"] == ["do", "env"]
    env = told["env"]
    assert (env["GIVEN"], env["ALSO"]) == ("by the definition", "by the caller")
    assert (env["AWS_BATCH_JOB_ID"], env["AWS_BATCH_JOB_ATTEMPT"]) == (job["jobId"], "1")
    assert env["AWS_ENDPOINT_URL"] == cloud.endpoint
    assert "AWS_BATCH_JOB_ARRAY_INDEX" not in env
    assert job["attempts"][0]["container"]["exitCode"] == 0
    assert job["startedAt"] <= job["stoppedAt"]


def test_describing_a_job_does_not_change_it(cloud: Cloud) -> None:
    job_id = submit(cloud, "env")
    end(cloud, job_id)
    assert describe(cloud, job_id)["container"] == describe(cloud, job_id)["container"]


def test_an_array_runs_every_child_and_one_failed_child_fails_it(cloud: Cloud) -> None:
    job_id = submit(cloud, "fail-index 1", arrayProperties={"size": 3})
    job = end(cloud, job_id)
    assert job["status"] == "FAILED"
    assert job["arrayProperties"]["size"] == 3
    summary = job["arrayProperties"]["statusSummary"]
    assert (summary["SUCCEEDED"], summary["FAILED"], sum(summary.values())) == (2, 1, 3)
    failed = cloud.client("batch").list_jobs(arrayJobId=job_id, jobStatus="FAILED")
    (child,) = failed["jobSummaryList"]
    assert (child["jobId"], child["arrayProperties"]["index"]) == (f"{job_id}:1", 1)
    assert child["container"]["exitCode"] == 65


def test_an_array_that_succeeds(cloud: Cloud) -> None:
    job = end(cloud, submit(cloud, "env", arrayProperties={"size": 2}))
    assert job["status"] == "SUCCEEDED"
    child = describe(cloud, job["jobId"] + ":1")
    env = json.loads(log_of(cloud, child)[0])["env"]
    assert (env["AWS_BATCH_JOB_ARRAY_INDEX"], env["AWS_BATCH_JOB_ARRAY_SIZE"]) == ("1", "2")


@pytest.mark.parametrize("size", [1, 10_001])
def test_an_array_of_a_size_that_aws_refuses(cloud: Cloud, size: int) -> None:
    with pytest.raises(cloud.client("batch").exceptions.ClientException):
        submit(cloud, "env", arrayProperties={"size": size})


@pytest.mark.parametrize(
    ("what", "status", "attempts"),
    [
        ("exit-until 75 2", "SUCCEEDED", 2),  # a rule says RETRY
        ("exit 65", "FAILED", 1),  # a rule says EXIT
        ("exit-until 3 3", "SUCCEEDED", 3),  # no rule matches: RETRY
        ("exit 75", "FAILED", 3),  # no attempts are left
    ],
)
def test_retries_go_by_the_rules(cloud: Cloud, what: str, status: str, attempts: int) -> None:
    job = end(cloud, submit(cloud, what))
    assert (job["status"], len(job["attempts"])) == (status, attempts)


def test_a_timed_out_attempt_is_not_retried(cloud: Cloud) -> None:
    job = end(cloud, submit(cloud, "sleep 60", timeout={"attemptDurationSeconds": 1}))
    assert (job["status"], job["statusReason"]) == ("FAILED", TIMEOUT_REASON)
    assert len(job["attempts"]) == 1


def test_a_running_job_is_terminated(cloud: Cloud) -> None:
    job_id = submit(cloud, "sleep 60", arrayProperties={"size": 6})
    wait_for(lambda: describe(cloud, job_id)["arrayProperties"]["statusSummary"]["RUNNING"] == 4)
    cloud.client("batch").terminate_job(jobId=job_id, reason="superseded")
    assert end(cloud, job_id)["status"] == "FAILED"
    for index in (0, 5):
        child = describe(cloud, f"{job_id}:{index}")
        assert (child["status"], child["statusReason"]) == ("FAILED", "superseded")


def test_jobs_are_listed_by_name_whatever_their_state(cloud: Cloud) -> None:
    done = submit(cloud, "env", name="run-a_1", arrayProperties={"size": 2})
    end(cloud, done)
    other = submit(cloud, "env", name="run-b_1")

    def listed(name: str) -> list[str]:
        jobs = cloud.client("batch").list_jobs(
            jobQueue=cloud.outputs["JobQueue"], filters=[{"name": "JOB_NAME", "values": [name]}]
        )["jobSummaryList"]
        return [job["jobId"] for job in jobs]

    assert listed("run-a*") == [done]
    assert listed("run-b_1") == [other]
    assert listed("run-c*") == []


def test_a_listing_without_a_filter_is_of_running_jobs(cloud: Cloud) -> None:
    end(cloud, submit(cloud, "env"))
    running = submit(cloud, "sleep 60")
    wait_for(lambda: describe(cloud, running)["status"] == "RUNNING")
    listed = cloud.client("batch").list_jobs(jobQueue=cloud.outputs["JobQueue"])["jobSummaryList"]
    assert [job["jobId"] for job in listed] == [running]
    cloud.client("batch").terminate_job(jobId=running, reason="enough")


def test_cancel_ends_only_what_has_not_started(cloud: Cloud) -> None:
    job_id = submit(cloud, "sleep 2", arrayProperties={"size": 5})
    wait_for(lambda: describe(cloud, job_id)["arrayProperties"]["statusSummary"]["RUNNING"] == 4)
    cloud.client("batch").cancel_job(jobId=job_id, reason="enough")
    summary = end(cloud, job_id)["arrayProperties"]["statusSummary"]
    assert (summary["SUCCEEDED"], summary["FAILED"]) == (4, 1)


def test_the_definition_is_the_template_s(cloud: Cloud) -> None:
    (definition,) = cloud.client("batch").describe_job_definitions(
        jobDefinitions=[cloud.outputs["JobDefinition"]]
    )["jobDefinitions"]
    assert definition["timeout"] == {"attemptDurationSeconds": 60}
    assert definition["parameters"] == {"what": "", "Case": "kept"}
    assert definition["retryStrategy"]["attempts"] == 3


def test_rules_are_compared_as_batch_compares_them() -> None:
    rules = [
        {"action": "RETRY", "onStatusReason": "host ec2*"},
        {"action": "RETRY", "onExitCode": "75"},
        {"action": "EXIT", "onReason": "*"},
    ]
    assert wants_retry(rules, Attempt(1, "Host EC2 (instance i-1) terminated."))
    assert wants_retry(rules, Attempt(75, "Essential container in task exited"))
    assert not wants_retry(rules, Attempt(175, "Essential container in task exited"))
    assert wants_retry(rules[:2], Attempt(1, "no rule matches"))
