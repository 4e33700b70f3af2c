"""Publishing, the drift guard, approval and rolling back, on a stack of their own."""

from __future__ import annotations

import json
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stack import WORKSPACE, Execution, Stack


@pytest.fixture(scope="module")
def guarded(binaries: Path, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack in which held runs wait."""
    with Stack.start(binaries, tmp_path_factory.mktemp("guarded"), hold_for_approval=True) as stack:
        stack.put("reference/riis.csv", sample / "sample-riis.csv")
        yield stack


def run_id(execution: Execution) -> str:
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    name: str = execution.output["summary"]["run_id"]
    return name


def command(stack: Stack, worker: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [str(worker), *arguments, "--root", f"s3://{stack.bucket}"]
    return subprocess.run(words, check=False, env=stack.environment(), capture_output=True, text=True)


def done(stack: Stack, worker: Path, *arguments: str) -> str:
    process = command(stack, worker, *arguments)
    assert process.returncode == 0, process.stderr
    return process.stdout


def latest(stack: Stack) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(stack.get("runs/latest.json") or b"{}")
    return document


def shows(stack: Stack, run: str) -> None:
    """Every table `<table>_latest` has the rows of this run, read through the catalogue's locations."""
    tables = stack.document(run, "manifest.json")["tables"]
    assert latest(stack)["current"]["run_id"] == run
    expected = {f"{name}_latest" for name in tables} - {"occurrences_latest"}
    assert {name for name in stack.tables() if name.endswith("_latest")} == expected
    for name in expected:
        assert stack.latest(name).equals(stack.table(name.removesuffix("_latest"), run)), name


def without(archive: Path, gbifids: set[str], target: Path) -> Path:
    """The archive without some of its records; its metadata tell how many are left."""
    gone = {gbifid.encode() for gbifid in gbifids}
    with zipfile.ZipFile(archive) as source:
        contents = {name: source.read(name) for name in source.namelist()}
    header, *rows = contents["occurrence.txt"].rstrip(b"\n").split(b"\n")
    place = header.split(b"\t").index(b"gbifID")
    kept = [row for row in rows if not gone.intersection(row.split(b"\t")[place : place + 1])]
    declared = b"%d" % len(rows)
    assert declared in contents["metadata.xml"]
    contents["metadata.xml"] = contents["metadata.xml"].replace(declared, b"%d" % len(kept))
    contents["occurrence.txt"] = b"\n".join([header, *kept]) + b"\n"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in contents.items():
            out.writestr(name, content)
    return target


@pytest.fixture(scope="module")
def first(guarded: Stack, sample: Path) -> str:
    """The first run: there is nothing to compare it with."""
    execution = guarded.upload("uploads/first.zip", sample / "sample-3000.zip")
    assert "PublishRun" in execution.states and "NotifyHeld" not in execution.states
    assert "no other run is published" in execution.output["summary"]["drift"]
    return run_id(execution)


@pytest.fixture(scope="module")
def fewer(guarded: Stack, first: str, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same download with a fifth of the annotated records less."""
    annotated = sorted(guarded.table("annotated", first)["gbifid"].to_pylist())
    gone = set(annotated[: -(-len(annotated) // 5)])
    return without(sample / "sample-3000.zip", gone, tmp_path_factory.mktemp("fewer") / "fewer.zip")


def held(stack: Stack, source: Path, name: str) -> tuple[str, str]:
    """Starts a run that has to wait: its execution and its id, once it waits."""
    stack.put(f"sources/{name}", source)
    arn = stack.start_execution({"source": f"s3://{stack.bucket}/sources/{name}"})
    deadline = time.monotonic() + 120
    while True:
        waiting = [key for key in stack.keys("runs/") if key.endswith("control/approval.json")]
        if waiting:
            return arn, waiting[0].split("/")[1].removeprefix("run=")
        assert time.monotonic() < deadline, "nothing waits for approval"
        assert stack.sfn.describe_execution(executionArn=arn)["status"] == "RUNNING"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def second(guarded: Stack, first: str, fewer: Path, worker: Path) -> str:
    """The second run, held, then approved."""
    arn, run = held(guarded, fewer, "fewer.zip")
    drift = guarded.document(run, "drift.json")
    assert (drift["verdict"], drift["baseline"]) == ("held", first)
    records = next(row for row in drift["rows"] if row["of"] == "all" and row["measure"] == "records")
    assert records["old"] == guarded.table("annotated", first).num_rows
    assert records["new"] == guarded.table("annotated", run).num_rows
    assert 0.2 <= (records["old"] - records["new"]) / records["old"] < 0.201
    moved = sum(dataset["old"] - dataset["new"] for dataset in drift["datasets"])
    assert 0 < moved <= records["old"] - records["new"]
    shows(guarded, first)

    token = json.loads(guarded.get(f"runs/run={run}/control/approval.json") or b"{}")["task_token"]
    told = guarded.notifications()
    assert f"bisonflow approve {run} --root s3://{guarded.bucket}" in told and token not in told
    assert f"runs/run={run}/report.html" in told and f"executions/details/{arn}" in told
    assert drift["datasets"][0]["datasetkey"] in told
    assert b"Held: compared with run" in (guarded.get(f"runs/run={run}/report.html") or b"")

    said = done(guarded, worker, "approve", run)
    assert token not in said
    execution = guarded.wait(arn)
    assert run_id(execution) == run and "NotifySuccess" in execution.states
    assert not guarded.keys(f"runs/run={run}/control/"), "the token is gone"
    return run


def test_a_run_with_a_fifth_less_is_held_and_published_upon_approval(guarded: Stack, second: str, worker: Path) -> None:
    shows(guarded, second)
    again = command(guarded, worker, "approve", second)
    assert again.returncode == 64 and "does not wait for approval" in again.stderr


def test_a_rollback_restores_the_tables_of_the_first_run(guarded: Stack, first: str, second: str, worker: Path) -> None:
    done(guarded, worker, "rollback", first)
    shows(guarded, first)
    states = {one["run_id"]: one["state"] for one in latest(guarded)["history"]}
    assert states == {first: "published", second: "withdrawn"}
    refused = command(guarded, worker, "rollback", second)
    assert refused.returncode == 64 and "withdrawn" in refused.stderr
    unknown = command(guarded, worker, "rollback", "upload-of-nobody-00000000")
    assert unknown.returncode == 64 and first in unknown.stderr


def test_another_database_is_asked_for_by_name(guarded: Stack, first: str, second: str, worker: Path) -> None:
    guarded.glue.create_database(DatabaseInput={"Name": "empty"})
    for database, word in (("absent", "found absent, which is no Glue database"), ("empty", "which the database does not have")):
        for action, run in (("publish", second), ("rollback", first)):
            told = command(guarded, worker, action, run, "--database", database)
            assert told.returncode == 64 and word in told.stderr, told


def test_a_run_with_a_cut_file_is_not_published(guarded: Stack, first: str, second: str, worker: Path) -> None:
    done(guarded, worker, "rollback", first)
    key = guarded.document(second, "manifest.json")["tables"]["annotated"]["files"][0]["key"]
    whole = guarded.get(key)
    assert whole
    guarded.put(key, whole[:-100])
    try:
        told = command(guarded, worker, "publish", second)
        words = (f"s3://{guarded.bucket}/{key}", f"found {len(whole) - 100} bytes, expected {len(whole)} bytes")
        assert told.returncode == 65 and all(word in told.stderr for word in words), told
        shows(guarded, first)
    finally:
        guarded.put(key, whole)


def test_a_flip_killed_half_way_is_finished_or_undone(guarded: Stack, first: str, second: str, worker: Path) -> None:
    done(guarded, worker, "rollback", first)
    tables = sorted(name for name in guarded.tables() if name.endswith("_latest"))

    def half_way() -> None:
        """What a publisher leaves that is killed between two tables."""
        for name in tables[: len(tables) // 2]:
            table = guarded.glue.get_table(DatabaseName="bisonflow", Name=name)["Table"]
            storage = table["StorageDescriptor"]
            storage["Location"] = storage["Location"].replace(first, second)
            given = {key: table[key] for key in ("Name", "TableType", "Parameters") if key in table}
            guarded.glue.update_table(DatabaseName="bisonflow", TableInput={**given, "StorageDescriptor": storage})

    half_way()
    done(guarded, worker, "publish", second)
    shows(guarded, second)
    done(guarded, worker, "rollback", first)
    half_way()
    done(guarded, worker, "rollback", first)
    shows(guarded, first)


def test_a_rejected_run_stays_finished_and_unpublished(guarded: Stack, first: str, second: str, fewer: Path, worker: Path, tmp_path: Path) -> None:
    done(guarded, worker, "rollback", first)
    annotated = guarded.table("annotated", second)["gbifid"].to_pylist()
    arn, run = held(guarded, without(fewer, set(annotated[:3]), tmp_path / "less.zip"), "less.zip")
    # Published by hand meanwhile, it is not rejected; once that is withdrawn, it is.
    assert "waits for the answer" in done(guarded, worker, "publish", run)
    refused = command(guarded, worker, "approve", run, "--reject")
    assert refused.returncode == 64 and "was published meanwhile" in refused.stderr, refused
    told = done(guarded, worker, "rollback", first)
    assert f"back to   {first}" in told and f"withdrawn {run}" in told
    done(guarded, worker, "approve", run, "--reject")
    execution = guarded.wait(arn)
    assert run_id(execution) == run and execution.states[-1] == "FinishedUnpublished"
    shows(guarded, first)
    assert f"bisonflow publish {run}" in guarded.notifications()
    done(guarded, worker, "publish", run)
    shows(guarded, run)
    done(guarded, worker, "rollback", first)


def test_a_run_with_another_vintage_says_why_it_is_not_compared(guarded: Stack, first: str, sample: Path) -> None:
    layers = (WORKSPACE / "reference/layers.toml").read_text()
    assert layers.count('vintage = "2017"') >= 1
    guarded.put("reference/layers.toml", layers.replace('vintage = "2017"', 'vintage = "2021"').encode())
    try:
        guarded.put("sources/vintage.zip", (sample / "sample-3000.zip").read_bytes() + b"")
        execution = guarded.run({"source": f"s3://{guarded.bucket}/sources/vintage.zip"})
    finally:
        guarded.s3.delete_object(Bucket=guarded.bucket, Key="reference/layers.toml")
    run = run_id(execution)
    because = guarded.document(run, "drift.json")["verdict"]["not_compared"]["because"]
    assert "layer county: vintage 2021" in because and "not vintage 2017" in because and first in because
    assert json.dumps(because)[1:-1] in guarded.notifications()
    report = (guarded.get(f"runs/run={run}/report.html") or b"").decode()
    assert "Not compared, because no published run is like it" in report
