"""`python -m local_cloud.drive`, as a person uses it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HERE, Cloud

from local_cloud.drive import Lines, brief


def drive(cloud: Cloud, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local_cloud.drive", "--endpoint", cloud.endpoint, *arguments]
    return subprocess.run(
        command,
        cwd=HERE.parent,
        input=given,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_an_upload_is_followed_to_its_end(cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "file.zip"
    file.write_bytes(b"zip")
    uri = f"s3://{cloud.bucket}/uploads/followed.zip"
    assert drive(cloud, "upload", str(file), uri).returncode == 0
    machine = ["--state-machine-arn", str(cloud.ready["state_machine_arn"])]
    followed = drive(cloud, "wait-for-upload-execution", *machine, uri)
    assert followed.returncode == 0, followed.stderr
    lines = followed.stdout.splitlines()
    assert [line.split()[2] for line in lines[:-1]] == ["Ask", "Ask", "Tell", "Tell"]
    assert lines[-1].startswith("SUCCEEDED  arn:aws:states:")
    assert drive(cloud, "download", f"s3://{cloud.bucket}/uploads/followed", str(tmp_path)).stdout
    assert (tmp_path / "uploads" / "followed.zip").read_bytes() == b"zip"


def test_a_failed_execution_is_told_and_gives_exit_code_1(cloud: Cloud) -> None:
    states = {"No": {"Type": "Fail", "Error": "InvalidInput", "Cause": "no such field"}}
    machine = cloud.client("stepfunctions").create_state_machine(
        name="failing",
        definition=json.dumps({"StartAt": "No", "States": states}),
        roleArn=cloud.outputs["RoleArn"],
    )["stateMachineArn"]
    started = drive(cloud, "start-execution", "--state-machine-arn", machine, '{"a": 1}')
    arn = started.stdout.strip()
    waited = drive(cloud, "wait-execution", arn)
    assert waited.returncode == 1
    assert waited.stdout.splitlines() == [f"FAILED  {arn}", "InvalidInput: no such field"]
    told = [
        json.loads(line)
        for line in drive(cloud, "wait-execution", arn, "--json").stdout.splitlines()
    ]
    assert told[-1]["event"] == "ended"
    assert told[-1]["error"] == "InvalidInput"


def test_tables_are_listed(cloud: Cloud) -> None:
    glue = cloud.client("glue")
    storage = {"Columns": [{"Name": "a", "Type": "int"}], "Location": "s3://x/listed/"}
    key = {"Name": "run", "Type": "string"}
    given = {"Name": "listed", "StorageDescriptor": storage, "PartitionKeys": [key]}
    glue.create_table(DatabaseName="catalogue", TableInput=given)
    partition = {"Values": ["1"], "StorageDescriptor": {"Location": "s3://x/listed/run=1/"}}
    glue.create_partition(DatabaseName="catalogue", TableName="listed", PartitionInput=partition)
    tables = json.loads(drive(cloud, "tables").stdout)
    assert [table for table in tables if table["name"] == "listed"] == [
        {
            "database": "catalogue",
            "name": "listed",
            "location": "s3://x/listed/",
            "columns": {"a": "int"},
            "partition_keys": ["run"],
            "partitions": [{"values": ["1"], "location": "s3://x/listed/run=1/"}],
        }
    ]


def test_what_cannot_be_done_gives_exit_code_2(cloud: Cloud) -> None:
    refused = drive(cloud, "put", "uploads/x", given="text")
    assert (refused.returncode, "expected s3://BUCKET/KEY" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"subsets": 3, "state": "running", "run": {"id": "x"}}, "subsets=3 state=running"),
        ({"long": "x" * 100, "ok": True, "turns": 3}, "ok=True"),
        ({"job_id": "7f44c41d-87d1-40f7-8dd1-c23d6d48f669", "failed": 0}, "failed=0"),
        ("text", ""),
        (None, ""),
    ],
)
def test_results_are_told_briefly(result: object, text: str) -> None:
    assert brief(result) == text


def test_a_loop_is_told_when_something_has_changed() -> None:
    lines = Lines()

    def asked(turns: int, done: int) -> list[str | None]:
        state = {"seconds": 1.0, "state": "Check", "kind": "Task"}
        exited = {**state, "event": "exited", "result": {"turns": turns, "done": done}}
        return [lines.of({**state, "event": "entered"}), lines.of(exited)]

    assert asked(1, 0) == ["     1.0 s  Check …", "     1.0 s  Check  done=0"]
    assert asked(2, 0) == [None, None]
    assert asked(3, 1) == [None, "     1.0 s  Check  done=1"]
    assert lines.of({"seconds": 2.0, "event": "entered", "state": "W", "kind": "Wait"}) is None


def test_a_failure_is_told_by_its_sentence() -> None:
    state = {"seconds": 1.0, "state": "Plan"}
    failed = {**state, "event": "failed", "error": "InvalidInput"}
    cause = '{"errorType": "InvalidInput", "errorMessage": "no such field"}'
    lines = Lines()
    assert lines.of({**failed, "cause": cause}) == "     1.0 s  Plan  InvalidInput: no such field"
    assert lines.of({**failed, "cause": "plain"}) == "     1.0 s  Plan  InvalidInput: plain"
    assert lines.of({**state, "event": "exited", "kind": "Task", "result": None}) is None
