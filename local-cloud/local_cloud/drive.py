"""`python -m local_cloud.drive`: what a person or a program does with a running local cloud.

Results go to standard output, so that a program can read them; what happens meanwhile is told
there too by `wait-execution`, a line for each state, or as JSON lines with `--json`.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .aws import client

POLL_SECONDS = 0.2
# Of a result, what only counts the asking is no news.
NO_NEWS = ("turns",)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# States that only lead from one to another are not worth a line.
QUIET_STATES = ("Choice", "Pass", "Wait", "Succeed", "Fail")
BRIEF_LIMIT = 60

Json = dict[str, Any]


class DriveError(Exception):
    """What was asked for cannot be done."""


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://BUCKET/KEY`.

    # Errors
    DriveError when it is no such URI.
    """
    if not uri.startswith("s3://"):
        raise DriveError(f"{uri}: expected s3://BUCKET/KEY")
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def brief(value: Any) -> str:
    """The scalars of a result in one line: `subsets=3 succeeded=1`."""
    if not isinstance(value, dict):
        return ""
    shown = []
    for name, item in value.items():
        if name in NO_NEWS or (isinstance(item, str) and UUID.fullmatch(item)):
            continue
        if isinstance(item, bool | int | float) or (
            isinstance(item, str) and len(item) <= BRIEF_LIMIT
        ):
            shown.append(f"{name}={item}")
    return " ".join(shown)


def sentence(cause: str | None) -> str:
    """A cause without the JSON that Lambda puts around it."""
    try:
        return str(json.loads(cause or "")["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return cause or ""


def moments(history: Sequence[Json]) -> Iterator[Json]:
    """What a history tells a reader: states entered and left, tries that failed, the end."""
    state, result, started = "", None, None
    for event in history:
        kind, at = event["type"], event["timestamp"].timestamp()
        started = at if started is None else started
        moment: Json = {"seconds": round(at - started, 1)}
        if kind.endswith("StateEntered"):
            state, result = event["stateEnteredEventDetails"]["name"], None
            yield {
                **moment,
                "event": "entered",
                "state": state,
                "kind": kind[: -len("StateEntered")],
            }
        elif kind == "TaskSucceeded":
            output = json.loads(event["taskSucceededEventDetails"]["output"])
            result = output.get("Payload", output) if isinstance(output, dict) else output
        elif kind in ("TaskFailed", "TaskTimedOut"):
            details = event[kind[0].lower() + kind[1:] + "EventDetails"]
            failure = {name: details.get(name) for name in ("error", "cause")}
            yield {**moment, "event": "failed", "state": state, **failure}
        elif kind.endswith("StateExited"):
            name = event["stateExitedEventDetails"]["name"]
            kind = kind[: -len("StateExited")]
            yield {**moment, "event": "exited", "state": name, "kind": kind, "result": result}


class Lines:
    """Moments as a person reads them, without what was said before."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def of(self, moment: Json) -> str | None:
        """The line of a moment; None for one that is no news."""
        if moment.get("kind") in QUIET_STATES:
            return None
        state = moment["state"]
        clock = f"{moment['seconds']:8.1f} s  {state}"
        if moment["event"] == "failed":
            self._said[state] = ""
            return f"{clock}  {moment['error']}: {sentence(moment['cause'])}"
        if moment["event"] == "entered":
            return None if state in self._said else f"{clock} …"
        result = brief(moment["result"])
        if self._said.get(state) == result:
            return None
        self._said[state] = result
        return f"{clock}  {result}".rstrip()


class Drive:
    """A client of the local cloud at an endpoint."""

    def __init__(self, endpoint: str) -> None:
        self._s3 = client("s3", endpoint)
        self._stepfunctions = client("stepfunctions", endpoint)
        self._glue = client("glue", endpoint)

    def upload(self, file: Path, uri: str) -> None:
        """A file of this machine to S3, in parts when it is large."""
        bucket, key = split_uri(uri)
        self._s3.upload_file(str(file), bucket, key)

    def put(self, content: bytes, uri: str) -> None:
        """An object with the given content."""
        bucket, key = split_uri(uri)
        self._s3.put_object(Bucket=bucket, Key=key, Body=content)

    def download(self, uri: str, directory: Path) -> list[str]:
        """Every object below a prefix, at its key below a directory."""
        bucket, prefix = split_uri(uri)
        keys = []
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            for found in page.get("Contents", ()):
                path = directory / found["Key"]
                if not path.resolve().is_relative_to(directory.resolve()):
                    raise DriveError(f"{found['Key']}: leads out of {directory}")
                if found["Key"].endswith("/"):
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                self._s3.download_file(bucket, found["Key"], str(path))
                keys.append(found["Key"])
        return keys

    def start_execution(self, machine_arn: str, given: str, name: str | None) -> str:
        """Starts an execution; its ARN."""
        arguments = {"stateMachineArn": machine_arn, "input": given}
        if name is not None:
            arguments["name"] = name
        arn: str = self._stepfunctions.start_execution(**arguments)["executionArn"]
        return arn

    def execution_of_upload(self, machine_arn: str, uri: str, timeout_seconds: float) -> str:
        """The newest execution that an upload of this object started, as soon as there is one.

        # Errors
        DriveError when none has started in time.
        """
        bucket, key = split_uri(uri)
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            listed = self._stepfunctions.list_executions(stateMachineArn=machine_arn)
            for execution in listed["executions"]:
                arn: str = execution["executionArn"]
                given = self._stepfunctions.describe_execution(executionArn=arn)["input"]
                if _is_event_of(json.loads(given), bucket, key):
                    return arn
            time.sleep(POLL_SECONDS)
        raise DriveError(f"{uri}: no execution started in {timeout_seconds:.0f} s")

    def wait_execution(
        self, arn: str, tell: Callable[[Json], None], timeout_seconds: float
    ) -> Json:
        """Tells every moment as it happens, until the execution is over; how it ended.

        # Errors
        DriveError when it is not over in time.
        """
        told = 0
        deadline = time.monotonic() + timeout_seconds
        while True:
            described = self._stepfunctions.describe_execution(executionArn=arn)
            events = self._stepfunctions.get_execution_history(executionArn=arn)["events"]
            seen = list(moments(events))
            for moment in seen[told:]:
                tell(moment)
            told = len(seen)
            if described["status"] != "RUNNING":
                names = ("executionArn", "status", "output", "error", "cause")
                return {name: described[name] for name in names if name in described}
            if time.monotonic() > deadline:
                raise DriveError(f"{arn}: still running after {timeout_seconds:.0f} s")
            time.sleep(POLL_SECONDS)

    def tables(self) -> list[Json]:
        """The tables of the catalogue, with their columns and partitions."""
        tables = []
        for database in self._glue.get_databases()["DatabaseList"]:
            listed = self._glue.get_tables(DatabaseName=database["Name"])["TableList"]
            for table in sorted(listed, key=lambda table: str(table["Name"])):
                partitions = self._glue.get_partitions(
                    DatabaseName=database["Name"], TableName=table["Name"]
                )["Partitions"]
                storage = table["StorageDescriptor"]
                tables.append(
                    {
                        "database": database["Name"],
                        "name": table["Name"],
                        "location": storage.get("Location"),
                        "columns": {c["Name"]: c["Type"] for c in storage.get("Columns", ())},
                        "partition_keys": [key["Name"] for key in table.get("PartitionKeys", ())],
                        "partitions": [
                            {
                                "values": partition["Values"],
                                "location": partition["StorageDescriptor"]["Location"],
                            }
                            for partition in partitions
                        ],
                    }
                )
        return tables


def _is_event_of(given: Any, bucket: str, key: str) -> bool:
    detail = given.get("detail", {}) if isinstance(given, dict) else {}
    described: Mapping[str, Any] = detail if isinstance(detail, dict) else {}
    found = (described.get("bucket", {}).get("name"), described.get("object", {}).get("key"))
    return found == (bucket, key)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_cloud.drive", description=__doc__)
    parser.add_argument("--endpoint", required=True, help="where the local cloud listens")
    commands = parser.add_subparsers(dest="command", required=True)

    command = commands.add_parser("upload", help="a file to S3")
    command.add_argument("file", type=Path)
    command.add_argument("uri", metavar="s3://BUCKET/KEY")

    command = commands.add_parser("put", help="standard input to S3")
    command.add_argument("uri", metavar="s3://BUCKET/KEY")

    command = commands.add_parser("download", help="everything below a prefix to a folder")
    command.add_argument("uri", metavar="s3://BUCKET/PREFIX")
    command.add_argument("directory", type=Path)

    command = commands.add_parser(
        "start-execution", help="starts the state machine; prints the ARN"
    )
    command.add_argument("--state-machine-arn", required=True)
    command.add_argument("--name")
    command.add_argument("input", help="JSON")

    command = commands.add_parser("wait-execution", help="tells the states until the end")
    command.add_argument("arn")
    _add_waiting(command)

    command = commands.add_parser(
        "wait-for-upload-execution", help="the same for the execution that an upload started"
    )
    command.add_argument("--state-machine-arn", required=True)
    command.add_argument("uri", metavar="s3://BUCKET/KEY")
    command.add_argument("--start-timeout-seconds", type=float, default=30.0)
    _add_waiting(command)

    commands.add_parser("tables", help="the tables and partitions of the catalogue, as JSON")
    return parser


def _add_waiting(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="a JSON line for everything")
    command.add_argument("--timeout-seconds", type=float, default=86400.0)


def _wait(drive: Drive, arn: str, given: argparse.Namespace) -> int:
    lines = Lines()

    def tell(moment: Json) -> None:
        text = json.dumps(moment) if given.json else lines.of(moment)
        if text is not None:
            print(text, flush=True)

    ended = drive.wait_execution(arn, tell, given.timeout_seconds)
    if given.json:
        print(json.dumps({"event": "ended", **ended}), flush=True)
    else:
        print(f"{ended['status']}  {ended['executionArn']}", flush=True)
        if "error" in ended:
            print(f"{ended['error']}: {ended.get('cause', '')}", flush=True)
    return 0 if ended["status"] == "SUCCEEDED" else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Does one command: 0 is well, 1 a failed execution, 2 what cannot be done."""
    given = _parser().parse_args(arguments)
    drive = Drive(given.endpoint)
    try:
        match given.command:
            case "upload":
                drive.upload(given.file, given.uri)
            case "put":
                drive.put(sys.stdin.buffer.read(), given.uri)
            case "download":
                for key in drive.download(given.uri, given.directory):
                    print(key)
            case "start-execution":
                print(drive.start_execution(given.state_machine_arn, given.input, given.name))
            case "wait-execution":
                return _wait(drive, given.arn, given)
            case "wait-for-upload-execution":
                arn = drive.execution_of_upload(
                    given.state_machine_arn, given.uri, given.start_timeout_seconds
                )
                return _wait(drive, arn, given)
            case "tables":
                print(json.dumps(drive.tables(), indent=2))
    except DriveError as error:
        print(f"drive: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
