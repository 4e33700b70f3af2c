"""The deployed stack as the tests see it: uploads, executions, tables."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import ClientError

WORKSPACE = Path(__file__).resolve().parents[2]
TIMEOUT_S = 180


@dataclass
class Execution:
    """A finished execution."""

    arn: str
    status: str
    error: str | None
    cause: str | None
    output: dict[str, Any]
    states: list[str]
    """The states that were entered, in order."""
    invoked: int
    """How many Lambda invocations succeeded."""


class Stack:
    """A running local cloud with the project's stack."""

    def __init__(self, ready: dict[str, Any], state: Path) -> None:
        self.bucket: str = ready["bucket"]
        self.machine: str = ready["state_machine_arn"]
        self.state = state
        self.endpoint: str = ready["endpoint"]
        self.region: str = ready["region"]
        session = boto3.Session("test", "test", region_name=ready["region"])

        def client(name: str) -> Any:
            return session.client(name, endpoint_url=ready["endpoint"])

        self.s3, self.glue, self.sfn = client("s3"), client("glue"), client("stepfunctions")
        self.batch, self.ec2, self.functions = client("batch"), client("ec2"), client("lambda")
        self.secrets = client("secretsmanager")

    @classmethod
    @contextmanager
    def start(
        cls,
        binaries: Path,
        state: Path,
        gbif_api: str = "http://127.0.0.1:1",
        species_match_server: str = "none",
        more: tuple[str, ...] = (),
        hold_for_approval: bool = False,
    ) -> Iterator[Stack]:
        """Starts the local cloud and stops it, and all that it started, in the end."""
        command = [
            sys.executable, "-m", "local_cloud",
            "--template", WORKSPACE / "template.yaml",
            "--state", state,
            "--binaries", binaries,
            "--image-command", binaries / "bisonflow",
            "--gbif-bucket", "gbif-open-data-us-east-1",
            "--parameter", f"SpeciesMatchServer={species_match_server}",
            "--parameter", f"GbifApi={gbif_api}",
            "--parameter", f"HoldForApproval={str(hold_for_approval).lower()}",
            "--wait-seconds", "1",
            *more,
        ]  # fmt: skip
        env = {**os.environ, "PYTHONPATH": str(WORKSPACE / "local-cloud")}
        with (state / "standard-error.log").open("wb") as log:
            process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=env
            )
        assert process.stdout
        try:
            line = process.stdout.readline()
            assert line, f"the local cloud did not start: see {state}/standard-error.log"
            yield cls(json.loads(line), state)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise

    def inject(self, path: str, what: dict[str, Any]) -> None:
        """Lets something happen to the instances of the local cloud."""
        request = Request(f"{self.endpoint}/_instance/{path}", json.dumps(what).encode(), method="POST")
        urlopen(request).close()

    def errors(self, arn: str) -> list[str]:
        """The errors with which tasks of an execution ended so far, its own retries included."""
        events = self.sfn.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        details = ("taskFailedEventDetails", "taskTimedOutEventDetails")
        return [event[detail]["error"] for event in events for detail in details if detail in event]

    def put(self, key: str, content: bytes | Path) -> None:
        body = content.read_bytes() if isinstance(content, Path) else content
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def environment(self) -> dict[str, str]:
        """What a process needs to reach the services."""
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        return {**os.environ, **keys, "AWS_ENDPOINT_URL": self.endpoint, "AWS_REGION": self.region}

    def get(self, key: str) -> bytes | None:
        try:
            body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        return body

    def document(self, run: str, name: str) -> dict[str, Any]:
        content = self.get(f"runs/run={run}/{name}")
        assert content is not None, f"run {run} has no {name}"
        document: dict[str, Any] = json.loads(content)
        return document

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def executions(self) -> list[str]:
        found = self.sfn.list_executions(stateMachineArn=self.machine, maxResults=1000)["executions"]
        return [execution["executionArn"] for execution in found]

    def start_execution(self, request: dict[str, Any]) -> str:
        arn: str = self.sfn.start_execution(stateMachineArn=self.machine, input=json.dumps(request))["executionArn"]
        return arn

    def run(self, request: dict[str, Any]) -> Execution:
        """Runs the state machine with this input to its end."""
        return self.wait(self.start_execution(request))

    def upload(self, key: str, content: bytes | Path) -> Execution:
        """Uploads a file and waits for the execution that this starts by the stack's own rule."""
        before = set(self.executions())
        self.put(key, content)
        deadline = time.monotonic() + 20
        while not (started := set(self.executions()) - before):
            assert time.monotonic() < deadline, f"the upload of {key} started no execution"
            time.sleep(0.1)
        return self.wait(started.pop())

    def wait(self, arn: str) -> Execution:
        deadline = time.monotonic() + TIMEOUT_S
        while (told := self.sfn.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline, f"{arn} is still running; logs: {self.state}/logs"
            time.sleep(0.2)
        pages = self.sfn.get_paginator("get_execution_history").paginate(executionArn=arn)
        events = [event for page in pages for event in page["events"]]
        entered = [event["stateEnteredEventDetails"]["name"] for event in events if event["type"].endswith("StateEntered")]
        invoked = sum(
            event["type"] == "TaskSucceeded" and event["taskSucceededEventDetails"]["resourceType"] == "lambda"
            for event in events
        )
        return Execution(
            arn, told["status"], told.get("error"), told.get("cause"), json.loads(told.get("output") or "{}"), entered, invoked
        )

    def table(self, name: str, run: str) -> pa.Table:
        """The rows of a run in a table, through the location that the catalogue gives for its partition."""
        table = self.glue.get_table(DatabaseName="bisonflow", Name=name)["Table"]
        assert [key["Name"] for key in table["PartitionKeys"]] == ["run"]
        partition = self.glue.get_partition(DatabaseName="bisonflow", TableName=name, PartitionValues=[run])
        location: str = partition["Partition"]["StorageDescriptor"]["Location"]
        return self.rows(table, location)

    def latest(self, name: str) -> pa.Table:
        """The rows of a table without partitions, through the location that the catalogue gives for it."""
        table = self.glue.get_table(DatabaseName="bisonflow", Name=name)["Table"]
        assert not table.get("PartitionKeys")
        return self.rows(table, table["StorageDescriptor"]["Location"])

    def rows(self, table: dict[str, Any], location: str) -> pa.Table:
        """The rows of the files at a location, whose types are those of the table."""
        name = table["Name"]
        bucket, prefix = location.removeprefix("s3://").split("/", 1)
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        assert keys, f"nothing at {location}"
        parts = [
            pq.read_table(pa.BufferReader(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())) for key in sorted(keys)
        ]
        rows = pa.concat_tables(parts)
        columns = {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
        for field in rows.schema:
            assert columns.get(field.name) == glue_type(field.type), f"{name}.{field.name}"
        return rows

    def tables(self) -> list[str]:
        pages = self.glue.get_paginator("get_tables").paginate(DatabaseName="bisonflow")
        return [table["Name"] for page in pages for table in page["TableList"]]

    def partitions(self, table: str) -> list[str]:
        pages = self.glue.get_paginator("get_partitions").paginate(DatabaseName="bisonflow", TableName=table)
        return [partition["Values"][0] for page in pages for partition in page["Partitions"]]

    def notifications(self) -> str:
        """All messages that were published."""
        path = self.state / "notifications.jsonl"
        return path.read_text() if path.exists() else ""


def glue_type(kind: pa.DataType) -> str:
    """The Glue type under which a column of this Parquet type can be read."""
    if pa.types.is_list(kind):
        return f"array<{glue_type(kind.value_type)}>"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    return {"string": "string", "int32": "int", "int64": "bigint", "double": "double", "date32[day]": "date", "bool": "boolean"}[str(kind)]
