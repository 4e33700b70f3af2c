"""The whole workflow on the local cloud: the real state machine, functions and worker."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from stack import WORKSPACE, Stack

ALL_STATES = [
    "PlanRun", "PlanOutcome", "LandingNeeded", "LaunchSpotDownloader", "ResolveRiis", "RiisResolved", "StartCrawler", "AddAnnotationFields",
    "CountSubsets", "SubmitBatchJob", "WaitForBatch", "CheckBatchJob", "SummarizeRun", "RunHeld", "PublishRun", "NotifySuccess", "Finished",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def register(stack: Stack, sample: Path) -> None:
    stack.put("reference/riis.csv", sample / "sample-riis.csv")


def adds_up(ledger: dict[str, Any]) -> None:
    records = ledger["records"]
    assert records["read"] == records["rejected"] + records["landed"]
    assert records["landed"] == sum(records["filtered"].values()) + records["annotated"]
    assert sum(ledger["riis"].values()) == records["annotated"]
    for layer in ledger["layers"].values():
        assert layer["inside"] + layer["outside"] == records["annotated"]


def same_ledger(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Equal but for the run and the place of the source."""

    def comparable(ledger: dict[str, Any]) -> dict[str, Any]:
        source = {**ledger["source"], "uri": None}
        options = {**ledger["options"], "force": None}
        return {**ledger, "run_id": None, "source": source, "options": options}

    assert comparable(one) == comparable(other)


def local_run(worker: Path, out: Path, *arguments: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Runs `bisonflow run`; its manifest and ledger."""
    subprocess.run([str(part) for part in (worker, "run", "--out", out, *arguments)], check=True, capture_output=True)
    (manifest,) = out.glob("runs/run=*/manifest.json")
    return json.loads(manifest.read_text()), json.loads(manifest.with_name("ledger.json").read_text())


def same_tables(stack: Stack, run: str, out: Path, manifest: dict[str, Any]) -> None:
    in_cloud = stack.document(run, "manifest.json")
    assert set(in_cloud["tables"]) == set(manifest["tables"])
    for name, table in manifest["tables"].items():
        if name.endswith("_x_new_in_run"):
            continue  # depends on what was published before
        rows = pq.read_table(sorted(out / file["key"] for file in table["files"]), partitioning=None)
        assert rows.equals(stack.table(name, run)), name
        if name not in ("annotated", "occurrences"):
            csv = f"csv/run={{}}/{name}.csv"
            assert stack.get(csv.format(run)) == (out / csv.format(manifest["run_id"])).read_bytes()


@pytest.fixture(scope="module")
def uploaded(stack: Stack, sample: Path, register: None) -> str:
    """The run of the sample, started by its upload."""
    execution = stack.upload("uploads/sample-3000.zip", sample / "sample-3000.zip")
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    assert [state for state in ALL_STATES if state not in execution.states] == []
    assert execution.invoked >= 8, "eight functions are invoked for real"
    run_id: str = execution.output["summary"]["run_id"]
    return run_id


def test_an_upload_becomes_tables(stack: Stack, uploaded: str) -> None:
    ledger = stack.document(uploaded, "ledger.json")
    adds_up(ledger)
    assert ledger["records"]["read"] == 3000
    assert all(ledger["records"]["filtered"].values()), "the sample has records for every filter"
    annotated = stack.table("annotated", uploaded)
    assert annotated.num_rows == ledger["records"]["annotated"]
    assert stack.table("occurrences", uploaded).num_rows == ledger["records"]["landed"]
    manifest = stack.document(uploaded, "manifest.json")
    for name in manifest["tables"]:
        assert uploaded in stack.partitions(name)
    assert f"run {uploaded} is finished" in stack.notifications()


def test_summaries_are_what_the_annotated_table_says(stack: Stack, uploaded: str) -> None:
    """Recomputed by DuckDB from the annotated rows."""
    annotated = stack.table("annotated", uploaded)  # noqa: F841 (read by DuckDB)
    for name, key in [("county", "county_geoid"), ("state", "census_state")]:
        counts = stack.table(f"{name}_counts", uploaded)  # noqa: F841
        difference = duckdb.sql(f"""
            (select {key}, count(*) occ, count(distinct nullif(nullif(specieskey, ''), '0')) species,
                    count(distinct nullif(nullif(taxonkey, ''), '0')) taxa from annotated group by 1
             except select {key}, occ_count, species_count, taxon_count from counts)
        """).fetchall()
        assert difference == []
        species = stack.table(f"{name}_x_species_list", uploaded)  # noqa: F841
        difference = duckdb.sql(f"""
            (select {key}, nullif(nullif(specieskey, ''), '0') specieskey, riis_assessment, count(*) occ from annotated group by 1, 2, 3)
            except (select {key}, specieskey, riis_assessment, occ_count from species)
        """).fetchall()
        assert difference == []
        assert duckdb.sql("select sum(occ_count) from species").fetchall()[0][0] == annotated.num_rows


def test_one_process_gives_the_same(stack: Stack, uploaded: str, worker: Path, sample: Path, tmp_path: Path) -> None:
    source, riis = sample / "sample-3000.zip", sample / "sample-riis.csv"
    manifest, ledger = local_run(worker, tmp_path, "--source", source, "--riis", riis)
    same_ledger(ledger, stack.document(uploaded, "ledger.json"))
    same_tables(stack, uploaded, tmp_path, manifest)


def test_an_upload_delivered_twice_makes_one_set_of_results(stack: Stack, sample: Path) -> None:
    event = json.loads((WORKSPACE / "tests/events/plan-run-upload.json").read_text())["input"]
    key = "uploads/twice.zip"
    body = (sample / "sample-3000.zip").read_bytes() + b""
    # Outside uploads/ first, so that the rule does not start a third execution.
    stack.s3.put_object(Bucket=stack.bucket, Key="elsewhere/twice.zip", Body=body)
    etag = stack.s3.head_object(Bucket=stack.bucket, Key="elsewhere/twice.zip")["ETag"].strip('"')
    event["detail"]["bucket"]["name"] = stack.bucket
    event["detail"]["object"].update(key=key, size=len(body), etag=etag)
    before = set(stack.executions())
    stack.put(key, body)
    extra = stack.start_execution(event)
    started = (set(stack.executions()) - before) | {extra}
    ends = [stack.wait(arn) for arn in started]
    assert {end.status for end in ends} == {"SUCCEEDED"}
    outcomes = sorted(end.output["plan"]["outcome"] for end in ends)
    assert outcomes == ["Duplicate"] * (len(ends) - 1) + ["Planned"]
    (run,) = {end.output["summary"]["run_id"] for end in ends if end.output["plan"]["outcome"] == "Planned"}
    assert len([job for job in stack.batch.list_jobs(jobQueue=queue(stack), filters=[{"name": "JOB_NAME", "values": [f"bisonflow-{run}-1"]}])["jobSummaryList"]]) == 1


def queue(stack: Stack) -> str:
    name: str = stack.batch.describe_job_queues()["jobQueues"][0]["jobQueueName"]
    return name


def test_a_finished_run_is_done_again_only_by_force(stack: Stack, sample: Path, uploaded: str) -> None:
    request: dict[str, Any] = {"source": f"s3://{stack.bucket}/uploads/sample-3000.zip"}
    assert stack.run(request).output["plan"]["outcome"] == "Duplicate"
    request["options"] = {"force": True, "subset_records": 1000}
    forced = stack.run(request)
    assert forced.status == "SUCCEEDED", (forced.error, forced.cause)
    ledger = stack.document(uploaded, "ledger.json")
    assert (ledger["generation"], ledger["subsets"]) == (2, 3)
    adds_up(ledger)
    assert len(stack.keys(f"annotated/run={uploaded}/")) == 3
    # Back to one subset: the parts of the other two are gone.
    request["options"] = {"force": True}
    assert stack.run(request).status == "SUCCEEDED"
    assert len(stack.keys(f"annotated/run={uploaded}/")) == 1
    assert stack.table("annotated", uploaded).num_rows == ledger["records"]["annotated"]


def test_two_executions_at_once_make_one_run(stack: Stack, sample: Path) -> None:
    stack.put("other/at-once.zip", sample / "sample-3000.zip")
    request = {"source": f"s3://{stack.bucket}/other/at-once.zip"}
    ends = []
    threads = [threading.Thread(target=lambda: ends.append(stack.run(request))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(end.output["plan"]["outcome"] for end in ends) == ["Duplicate"] * 3 + ["Planned"]


EVENTS = [
    "launch-spot-downloader", "launch-spot-downloader-terminate", "resolve-riis", "resolve-riis-more", "start-crawler", "start-crawler-check",
    "add-annotation-fields", "count-subsets", "submit-batch-job", "summarize-run", "summarize-run-publish",
]  # fmt: skip


def test_the_events_for_one_function_are_true(stack: Stack, sample: Path) -> None:
    """The files that the README names, sent to the same programs, on a run that is finished."""
    folder = WORKSPACE / "tests/events"
    run = json.loads((folder / "count-subsets.json").read_text())["run"]
    key = run["run_id"].removeprefix("gbif-")
    execution = stack.upload(f"uploads/{key}.zip", sample / "sample-3000.zip")
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    plan = stack.document(run["run_id"], "plan.json")
    # The events name an execution of another account: let it hold the run.
    stack.put(f"runs/run={run['run_id']}/plan.json", json.dumps({**plan, **run}).encode())
    names = [function["FunctionName"] for function in stack.functions.list_functions()["Functions"]]
    plan_run = next(name for name in names if "PlanRunFunction" in name)
    # The bucket of the event is not there: what is said of it is an error of our own, by name.
    answer = stack.functions.invoke(FunctionName=plan_run, Payload=(folder / "plan-run.json").read_bytes())
    assert json.loads(answer["Payload"].read())["errorType"] == "InvalidInput"
    request = json.loads((folder / "plan-run.json").read_text())
    request["input"]["source"] = f"s3://{stack.bucket}/uploads/{key}.zip"
    answer = stack.functions.invoke(FunctionName=plan_run, Payload=json.dumps(request).encode())
    told = json.loads(answer["Payload"].read())
    assert (told["outcome"], told["run"]) == ("Planned", run), "the lock is this very execution's"
    for event in EVENTS:
        step = event.removesuffix("-terminate").removesuffix("-check").removesuffix("-more").removesuffix("-hold").removesuffix("-publish")
        logical = "".join(part.capitalize() for part in step.split("-")) + "Function"
        name = next(full for full in names if logical in full)
        answer = stack.functions.invoke(FunctionName=name, Payload=(folder / f"{event}.json").read_bytes())
        told = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, (event, told)
        stranger = {**json.loads((folder / f"{event}.json").read_text()), "colour": "red"}
        answer = stack.functions.invoke(FunctionName=name, Payload=json.dumps(stranger).encode())
        told = json.loads(answer["Payload"].read())
        assert told["errorType"] == "InvalidInput" and "colour" in told["errorMessage"], (event, told)
