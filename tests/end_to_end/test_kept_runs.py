"""Runs one after the other on one stack: what each is the first to see, which are kept, and held ones that nobody answers for."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from stack import Execution, Stack
from test_new_in_run import DENVER, DOUGLAS, HEADER, LATER, REGISTER, RETURNS, STAYS, record

KEPT = 3
WAIT_S = 6


@pytest.fixture(scope="module")
def keeping(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that keeps three published runs, holds what is eleven times as much as before, and waits for some seconds."""
    more = ("--parameter", f"KeepRuns={KEPT}", "--parameter", "DriftHoldPercent=1000", "--answer-seconds", str(WAIT_S))
    state = tmp_path_factory.mktemp("keeping")
    with Stack.start(binaries, state, more=more, hold_for_approval=True) as stack:
        stack.put("reference/riis.csv", REGISTER.encode())
        yield stack


def published(stack: Stack, name: str, records: list[str]) -> str:
    """Uploads a download of these records; its run, once it is published."""
    execution = stack.upload(f"uploads/{name}.txt", (HEADER + "".join(records)).encode())
    assert (execution.status, execution.states[-1]) == ("SUCCEEDED", "Finished"), (execution.error, execution.cause)
    run: str = execution.output["summary"]["run_id"]
    assert json.loads(stack.get("runs/latest.json") or b"{}")["current"]["run_id"] == run
    return run


def pairs(rows: pa.Table) -> list[tuple[str, str]]:
    return list(zip(rows["county_geoid"].to_pylist(), rows["specieskey"].to_pylist()))


def objects(stack: Stack, run: str) -> list[str]:
    return [key for key in stack.keys("") if f"run={run}/" in key]


def told(stack: Stack, run: str) -> list[dict[str, Any]]:
    """The messages about a run."""
    messages = [json.loads(line) for line in stack.notifications().splitlines()]
    return [message for message in messages if run in (message["subject"] or "")]


@pytest.fixture(scope="module")
def four(keeping: Stack) -> list[str]:
    """Four published runs; the dataset `returns` is in the second and the fourth."""
    downloads = {"first": STAYS, "second": STAYS + RETURNS, "third": STAYS, "fourth": STAYS + RETURNS + LATER}
    runs = []
    for place, (name, records) in enumerate(downloads.items()):
        runs.append(published(keeping, name, records))
        assert len(objects(keeping, runs[0])) > 20 or place == KEPT
    return runs


def test_a_dataset_that_disappears_and_returns_is_announced_once(keeping: Stack, four: list[str]) -> None:
    new = [(DENVER, "12"), (DENVER, "11"), (DENVER, "10"), (DENVER, "13"), (DOUGLAS, "14")]
    expected = {four[1]: [(DENVER, "7"), (DOUGLAS, "8")], four[2]: [], four[3]: new}
    for run, found in expected.items():
        assert pairs(keeping.table("county_x_new_in_run", run)) == found
        (message,) = told(keeping, run)
        assert "finished and published" in message["message"]
        assert ("gbifid 11" in message["message"]) == (run == four[1]), "the species that returns is told once"
    assert pairs(keeping.latest("county_x_new_in_run_latest")) == new
    announced = [pair for found in expected.values() for pair in found]
    assert len(announced) == len(set(announced))


def test_the_oldest_run_is_deleted_and_the_others_are_read(keeping: Stack, four: list[str]) -> None:
    made = {run: keeping.document(run, "manifest.json")["tables"] for run in four[1:]}
    assert objects(keeping, four[0]) == []
    for name in made[four[-1]]:
        assert sorted(keeping.partitions(name)) == sorted(four[1:]), name
        rows = {run: keeping.table(name, run) for run in four[1:]}
        assert [table.num_rows for table in rows.values()] == [tables[name]["rows"] for tables in made.values()]
        if name != "occurrences":
            assert keeping.latest(f"{name}_latest").equals(rows[four[-1]])
    history = json.loads(keeping.get("runs/latest.json") or b"{}")["history"]
    assert [(one["run_id"], one["state"]) for one in history] == [
        (four[0], "deleted"), *[(run, "published") for run in four[1:]]
    ]  # fmt: skip
    assert keeping.get("uploads/first.txt"), "what was uploaded stays"


def waits(stack: Stack, name: str) -> str:
    """The run of an upload of this name, once it waits for approval."""
    deadline = time.monotonic() + 60
    while True:
        found = [key for key in stack.keys(f"runs/run=upload-{name}-") if key.endswith("control/approval.json")]
        if found:
            return found[0].split("/")[1].removeprefix("run=")
        assert time.monotonic() < deadline, f"{name} does not wait"
        time.sleep(0.1)


def command(stack: Stack, worker: Path, *arguments: str) -> str:
    words = [str(worker), *arguments, "--root", f"s3://{stack.bucket}"]
    done = subprocess.run(words, env=stack.environment(), capture_output=True, text=True)
    assert done.returncode == 0, done
    return done.stdout


def test_who_nobody_answers_for_is_told_of_as_it_is(keeping: Stack, four: list[str], worker: Path) -> None:
    many = [record(100 + number, "douglas", "7", "2020", "10", "stays") for number in range(200)]
    arns = {}
    for name in ("silent", "by-hand"):
        keeping.put(f"sources/{name}.txt", (HEADER + "".join([*many, *STAYS])).encode())
        arns[name] = keeping.start_execution({"source": f"s3://{keeping.bucket}/sources/{name}.txt"})
    by_hand = waits(keeping, "by-hand")
    assert "waits for the answer" in command(keeping, worker, "publish", by_hand)

    ended: dict[str, Execution] = {name: keeping.wait(arn) for name, arn in arns.items()}
    for execution in ended.values():
        assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
        assert execution.output["failure"]["Error"] == "States.Timeout" and "AwaitApproval" in execution.states
    silent = ended["silent"].output["summary"]["run_id"]
    assert ended["silent"].states[-2:] == ["NotifyUnpublished", "FinishedUnpublished"]
    assert ended["by-hand"].states[-2:] == ["NotifySuccess", "Finished"]
    subjects = {run: [message["subject"] for message in told(keeping, run)] for run in (silent, by_hand)}
    assert subjects[silent] == [f"bisonflow {silent} waits for approval", f"bisonflow {silent} is not published"]
    assert subjects[by_hand] == [f"bisonflow {by_hand} waits for approval", f"bisonflow {by_hand} is finished"]
    for run in (silent, by_hand):
        assert not keeping.keys(f"runs/run={run}/control/"), "a token that is of no use is gone"
    assert json.loads(keeping.get("runs/latest.json") or b"{}")["current"]["run_id"] == by_hand


def test_what_ended_between_two_steps_is_neither_told_nor_published_twice(keeping: Stack, four: list[str], worker: Path) -> None:
    many = [record(400 + number, "douglas", "7", "2021", "10", "stays") for number in range(9000)]
    keeping.put("sources/stopped.txt", (HEADER + "".join([*many, record(1, "denver", "99", "2026-05-01", "10", "stays")])).encode())
    asked = {"source": f"s3://{keeping.bucket}/sources/stopped.txt"}
    arn = keeping.start_execution(asked)
    run = waits(keeping, "stopped")
    keeping.sfn.stop_execution(executionArn=arn)
    assert keeping.wait(arn).status == "ABORTED"
    before = keeping.get("runs/latest.json")
    again = keeping.run(asked)
    assert (again.status, again.states[-1]) == ("SUCCEEDED", "AlreadyDone"), "it is finished; publishing it is for a person to say"
    assert [message["subject"] for message in told(keeping, run)] == [f"bisonflow {run} waits for approval"]
    assert keeping.get("runs/latest.json") == before
    for _ in range(2):
        command(keeping, worker, "publish", run)
    history = json.loads(keeping.get("runs/latest.json") or b"{}")["history"]
    assert [one["run_id"] for one in history].count(run) == 1
    assert pairs(keeping.latest("county_x_new_in_run_latest")) == [(DENVER, "99")]
