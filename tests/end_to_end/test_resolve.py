"""The workflow with a species match service: registers are resolved for the checklist of the records."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from stack import Stack
from test_workflow import adds_up, local_run, same_ledger, same_tables

COL = "7ddf754f-d193-4cc9-b351-99906754a03b"


class SpeciesMatch(ThreadingHTTPServer):
    """Answers as version 2 of GBIF's species match does: it knows the names that have a key, but not the first one."""

    daemon_threads = True

    def __init__(self, register: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        with register.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        self.taxa = {row["scientificName"]: row for row in rows}
        self.unknown = {rows[0]["scientificName"]} | {row["scientificName"] for row in rows if not row["GBIF taxonKey"]}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: SpeciesMatch

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        name = asked["scientificName"][0]
        assert asked["checklistKey"] == [COL] and asked["strict"] == ["true"]
        self.server.asked.append(name)
        answer: dict[str, object] = {"diagnostics": {"matchType": "NONE", "confidence": 100}, "synonym": False}
        if name not in self.server.unknown:
            row = self.server.taxa[name]
            usage = {"key": row["GBIF taxonKey"], "name": name, "rank": row["taxonRank"].upper(), "status": "ACCEPTED"}
            kingdom = {"key": "1", "name": row["kingdom"], "rank": "KINGDOM"}
            answer = {
                "usage": usage, "classification": [kingdom],
                "diagnostics": {"matchType": "EXACT", "confidence": 99}, "synonym": False,
            }  # fmt: skip
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def service(sample: Path) -> Iterator[SpeciesMatch]:
    with SpeciesMatch(sample / "sample-riis.csv") as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        yield service
        service.shutdown()


@pytest.fixture(scope="module")
def resolving(
    binaries: Path, service: SpeciesMatch, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Stack]:
    """A stack of its own, whose parameter names the service."""
    state = tmp_path_factory.mktemp("local-cloud")
    with Stack.start(binaries, state, species_match_server=service.url) as stack:
        yield stack
    if not request.session.testsfailed:
        shutil.rmtree(state, ignore_errors=True)


def test_a_register_is_resolved_once_for_a_checklist(
    resolving: Stack, service: SpeciesMatch, worker: Path, sample: Path, tmp_path: Path
) -> None:
    register, source = sample / "sample-riis.csv", sample / "sample-3000.zip"
    resolving.put("reference/riis.csv", register)
    resolving.put("sources/sample.zip", source)
    request = {"source": f"s3://{resolving.bucket}/sources/sample.zip", "options": {"checklist": "col"}}
    execution = resolving.run(request)
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    run = execution.output["summary"]["run_id"]
    assert execution.output["riis"]["answered"] == len(service.taxa) == len(service.asked)
    adds_up(resolving.document(run, "ledger.json"))

    pinned = resolving.document(run, "manifest.json")["reference"]
    assert pinned["riis_resolved_from"]["uri"].endswith("/reference/riis.csv")
    folder = "/".join(pinned["riis"]["uri"].split("/")[3:-1]) + "/"
    names = [key.removeprefix(folder) for key in resolving.keys(folder)]
    assert sorted(name.split("_2")[0] for name in names) == ["answers", "riis_annotated", "riis_unresolved"]
    resolved = resolving.get(pinned["riis"]["uri"].split("/", 3)[3])
    assert resolved is not None
    rows = list(csv.DictReader(resolved.decode("utf-8-sig").splitlines()))
    without_key = {row["scientificName"] for row in rows if not row["gbif_res_taxonkey"]}
    assert without_key == service.unknown and {row["checklist"] for row in rows} == {"col"}

    # The same on one machine: resolved by the command, then run with what that wrote.
    local = tmp_path / "resolved"
    resolve = [
        worker, "riis", "resolve", register, "--checklist", "col", "--server", service.url, "--out", local,
    ]  # fmt: skip
    subprocess.run([str(part) for part in resolve], check=True, capture_output=True)
    (annotated,) = local.glob("*_annotated_*.csv")
    assert annotated.read_bytes() == resolved
    options = ["--options", json.dumps(request["options"])]
    manifest, ledger = local_run(worker, tmp_path / "out", "--source", source, "--riis", annotated, *options)
    same_ledger(ledger, resolving.document(run, "ledger.json"))
    same_tables(resolving, run, tmp_path / "out", manifest)

    # Another run of the same register and checklist asks nobody.
    before = len(service.asked)
    resolving.put("sources/again.zip", source)
    execution = resolving.run({**request, "source": f"s3://{resolving.bucket}/sources/again.zip"})
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    assert len(service.asked) == before and execution.output["riis"]["names"] == 0
    again = resolving.document(execution.output["summary"]["run_id"], "manifest.json")["reference"]
    assert again["riis"]["sha256"] == pinned["riis"]["sha256"]


def test_without_a_service_keys_of_two_checklists_are_not_mixed(stack: Stack, sample: Path) -> None:
    stack.put("reference/riis.csv", sample / "sample-riis.csv")
    stack.put("sources/col.zip", sample / "sample-3000.zip")
    request = {"source": f"s3://{stack.bucket}/sources/col.zip", "options": {"checklist": "col"}}
    execution = stack.run(request)
    assert (execution.status, execution.error) == ("FAILED", "BadReferenceData")
    assert "riis resolve" in (execution.cause or "")
