"""Landing through interruptions: the instance goes, the landing stays."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from gbif import LICENSE, Gbif
from stack import Stack
from test_workflow import adds_up


class Download:
    """A file behind a URL; the server gives more than its first byte only when it is let go."""

    def __init__(self, content: bytes) -> None:
        self.is_asked = threading.Event()
        self.let_go = threading.Event()
        download = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802 (http.server's name)
                start, _, end = (self.headers["Range"] or "").removeprefix("bytes=").partition("-")
                first, last = int(start or 0), min(int(end or len(content)), len(content) - 1)
                if start and last > 0:
                    download.is_asked.set()
                    download.let_go.wait(120)
                self.send_response(206 if start else 200)
                self.send_header("ETag", '"one"')
                if start:
                    self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
                self.send_header("Content-Length", str(last - first + 1))
                self.end_headers()
                try:
                    self.wfile.write(content[first : last + 1])
                except OSError:
                    pass  # who asked is gone

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/slow.zip"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def download(stack: Stack, sample: Path) -> Iterator[Download]:
    stack.put("reference/riis.csv", sample / "sample-riis.csv")
    download = Download((sample / "sample-3000.zip").read_bytes())
    yield download
    download.let_go.set()
    download.server.shutdown()


def until(found: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def instances(stack: Stack, *states: str) -> list[str]:
    filters = [{"Name": "tag:Name", "Values": ["bisonflow-upload-slow-zip-*"]}, {"Name": "instance-state-name", "Values": states}]
    found = stack.ec2.describe_instances(Filters=filters)["Reservations"]
    return [instance["InstanceId"] for reservation in found for instance in reservation["Instances"]]


def test_an_instance_that_is_taken_back_is_replaced(stack: Stack, download: Download) -> None:
    arn = stack.start_execution({"source": download.url})
    assert download.is_asked.wait(60), "the landing is under way"
    (first,) = instances(stack, "running")
    stack.inject(f"{first}/interrupt", {"seconds": 120})
    until(lambda: "SpotInterrupted" in stack.errors(arn), "the landing to be interrupted")
    download.let_go.set()
    execution = stack.wait(arn)
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    run = execution.output["summary"]["run_id"]
    adds_up(stack.document(run, "ledger.json"))
    assert stack.table("occurrences", run).num_rows == 3000
    assert len(set(instances(stack, "running", "terminated"))) == 2
    # Nothing of the interrupted try is left.
    uploads = stack.s3.list_multipart_uploads(Bucket=stack.bucket).get("Uploads", [])
    assert [upload["Key"] for upload in uploads if run in upload["Key"]] == []
    assert [key for key in stack.keys(f"runs/run={run}/") if "checkpoints/" in key or "control/" in key] == []


def test_a_download_key_waits_until_gbif_has_the_file(stack: Stack, gbif: Gbif, sample: Path) -> None:
    stack.put("reference/riis.csv", sample / "sample-riis.csv")
    key = "0001111-260101000000001"
    gbif.files[key], gbif.records[key] = (sample / "sample-3000.zip").read_bytes(), 3000
    gbif.statuses[key] = ["PREPARING", "RUNNING", "SUCCEEDED"]
    execution = stack.run({"download_key": key})
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    run = f"gbif-{key}"
    assert execution.output["summary"]["run_id"] == run
    landing, ledger = stack.document(run, "landing.json"), stack.document(run, "ledger.json")
    assert landing["gbif"]["license"] == LICENSE
    citation = "GBIF.org (2 October 2023) GBIF Occurrence Download https://doi.org/10.15468/dl.abcdef"
    assert landing["gbif"]["citation"] == citation
    assert (ledger["source"]["doi"], ledger["source"]["records_declared"]) == ("10.15468/dl.abcdef", 3000)
    adds_up(ledger)
    # Waiting costs no instance.
    filters = [{"Name": "tag:bisonflow:run", "Values": [run]}]
    assert len(stack.ec2.describe_instances(Filters=filters)["Reservations"]) == 1


def test_a_download_key_is_enough_on_one_machine(worker: Path, gbif: Gbif, sample: Path, tmp_path: Path) -> None:
    key = "0001111-260101000000009"
    gbif.files[key], gbif.records[key] = (sample / "sample-3000.zip").read_bytes(), 3000
    gbif.statuses[key] = ["RUNNING", "SUCCEEDED"]
    command = [worker, "land", "--source", key, "--gbif-api", gbif.url, "--out", tmp_path]
    early = subprocess.run(command, capture_output=True, text=True)
    assert early.returncode == 75
    assert "wait until GBIF has prepared it" in early.stderr
    assert not (tmp_path / "runs").exists()
    subprocess.run(command, check=True)
    landing = json.loads((tmp_path / f"runs/run=gbif-{key}/landing.json").read_text())
    assert landing["records"]["landed"] == 3000
    assert (landing["source"]["doi"], landing["source"]["records_declared"]) == ("10.15468/dl.abcdef", 3000)
    assert landing["gbif"]["key"] == key


@pytest.mark.parametrize(
    ("key", "status", "records", "error", "word"),
    [
        ("0001111-260101000000002", "FILE_ERASED", 3000, "DownloadNotAvailable", "limited time"),
        ("0001111-260101000000003", "KILLED", 3000, "DownloadNotAvailable", "given up"),
        ("0001111-260101000000004", None, 3000, "DownloadNotAvailable", "no such download"),
        ("0001111-260101000000005", "SUCCEEDED", 2999, "CountMismatch", "2999"),
    ],
)
def test_a_download_that_is_not_to_be_had(
    stack: Stack, gbif: Gbif, sample: Path, key: str, status: str | None, records: int, error: str, word: str
) -> None:
    gbif.files[key], gbif.records[key] = (sample / "sample-3000.zip").read_bytes(), records
    if status:
        gbif.statuses[key] = [status]
    execution = stack.run({"download_key": key})
    assert (execution.status, execution.error) == ("FAILED", error), execution.cause
    assert execution.cause and word in execution.cause, execution.cause


def test_a_dead_instance_is_replaced(
    binaries: Path, sample: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = tmp_path_factory.mktemp("heartbeats")
    with Stack.start(binaries, state, more=("--heartbeat-seconds", "8")) as stack:
        stack.put("reference/riis.csv", sample / "sample-riis.csv")
        download = Download((sample / "sample-3000.zip").read_bytes())
        try:
            arn = stack.start_execution({"source": download.url})
            assert download.is_asked.wait(60), "the landing is under way"
            (first,) = instances(stack, "running")
            stack.inject(f"{first}/die", {})
            until(lambda: instances(stack, "terminated") == [first], "the dead instance to be ended")
            assert stack.errors(arn) == ["States.HeartbeatTimeout"]
            download.let_go.set()
            execution = stack.wait(arn)
        finally:
            download.let_go.set()
            download.server.shutdown()
        assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
        run = execution.output["summary"]["run_id"]
        adds_up(stack.document(run, "ledger.json"))
        assert stack.table("occurrences", run).num_rows == 3000
        assert len(instances(stack, "running", "terminated")) == 2
    shutil.rmtree(state)


def test_an_instance_that_cannot_get_the_worker_says_so(
    binaries: Path, sample: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = tmp_path_factory.mktemp("no-worker")
    image = f"registry.invalid/bisonflow@sha256:{'0' * 64}"
    with Stack.start(binaries, state, more=("--parameter", f"WorkerImage={image}")) as stack:
        stack.put("reference/riis.csv", sample / "sample-riis.csv")
        execution = stack.upload("uploads/slow.zip", sample / "sample-3000.zip")
        # At once, not after a quarter of an hour without a heartbeat, and not six times.
        assert (execution.status, execution.error) == ("FAILED", "Internal"), execution.cause
        assert execution.cause and f"status 1 while it was pulling {image}" in execution.cause
        assert len(instances(stack, "terminated")) == 1 and instances(stack, "running") == []
        assert not [key for key in stack.keys("runs/") if "control/" in key]
    shutil.rmtree(state)


def launched(stack: Stack, run: str) -> list[tuple[str, str]]:
    """Type and market of the instances of a run."""
    found = stack.ec2.describe_instances(Filters=[{"Name": "tag:bisonflow:run", "Values": [run]}])["Reservations"]
    of_run = [instance for reservation in found for instance in reservation["Instances"]]
    return [(instance["InstanceType"], instance.get("InstanceLifecycle", "on-demand")) for instance in of_run]


@pytest.fixture
def pools(stack: Stack) -> Iterator[Callable[[list[str]], None]]:
    """Says which pools have no instance to give."""
    yield lambda without: stack.inject("pools", {"without_capacity": without})
    stack.inject("pools", {"without_capacity": []})


def test_two_pools_without_capacity_lead_to_the_third(
    stack: Stack, gbif: Gbif, sample: Path, pools: Callable[[list[str]], None]
) -> None:
    stack.put("reference/riis.csv", sample / "sample-riis.csv")
    key = "0001111-260101000000006"
    gbif.files[key], gbif.records[key] = (sample / "sample-3000.zip").read_bytes(), 3000
    gbif.statuses[key] = ["SUCCEEDED"]
    pools(["r7g.xlarge", "r8g.xlarge"])
    execution = stack.run({"download_key": key})
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    assert launched(stack, f"gbif-{key}") == [("m7g.xlarge", "spot")]
    assert stack.errors(execution.arn) == []


def test_no_capacity_at_all_names_the_pools(
    stack: Stack, gbif: Gbif, sample: Path, pools: Callable[[list[str]], None]
) -> None:
    key = "0001111-260101000000007"
    gbif.files[key], gbif.records[key] = (sample / "sample-3000.zip").read_bytes(), 3000
    gbif.statuses[key] = ["SUCCEEDED"]
    pools(["*"])
    execution = stack.run({"download_key": key})
    assert (execution.status, execution.error) == ("FAILED", "CapacityUnavailable"), execution.cause
    assert execution.cause
    for word in ("r7g.xlarge", "r8g.xlarge", "m7g.xlarge", "m8g.xlarge", "c7g.2xlarge", "DownloaderInstanceTypes"):
        assert word in execution.cause, execution.cause
    assert launched(stack, f"gbif-{key}") == []
    assert [key for key in stack.keys(f"runs/run=gbif-{key}/") if "control/" in key] == []


def test_a_requested_download_is_requested_once(stack: Stack, gbif: Gbif, sample: Path) -> None:
    stack.put("reference/riis.csv", sample / "sample-riis.csv")
    key = "0001111-260101000000008"
    gbif.files[key], gbif.records[key] = (sample / "sample-3000.zip").read_bytes(), 3000
    gbif.statuses[key] = ["PREPARING", "RUNNING", "SUCCEEDED"]
    gbif.new_keys = [key]
    predicate = {"type": "and", "predicates": [{"type": "equals", "key": "COUNTRY", "value": "US"}]}
    execution = stack.run({"request": {"predicate": predicate}, "options": {"checklist": "backbone"}})
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    assert execution.output["summary"]["run_id"] == f"gbif-{key}"
    adds_up(stack.document(f"gbif-{key}", "ledger.json"))
    body = gbif.requested[-1]
    assert (body["creator"], body["format"], body["predicate"]) == (gbif.account[0], "DWCA", predicate)
    assert body["checklistKey"] == "d7dddbf4-2cf0-4f39-9b2a-bb099caae36c" and body["sendNotification"] is False
    assert all(agent.startswith("bisonflow/") for agent in gbif.agents), gbif.agents

    again = stack.run({"request": {"predicate": predicate}, "options": {"checklist": "backbone"}})
    assert again.status == "SUCCEEDED" and "LaunchSpotDownloader" not in again.states
    assert len([body for body in gbif.requested if body["predicate"] == predicate]) == 1

    # The password is in no document and no log.
    kept = [stack.get(name) or b"" for name in stack.keys(f"runs/run=gbif-{key}/") + stack.keys("requests/")]
    kept += [path.read_bytes() for path in (stack.state / "logs").rglob("*") if path.is_file()]
    assert not any(gbif.account[1].encode() in content for content in kept)

    refused = stack.run({"request": {"predicate": {"type": "dream"}}})
    assert (refused.status, refused.error) == ("FAILED", "InvalidInput") and refused.cause
    assert "no such predicate" in refused.cause
