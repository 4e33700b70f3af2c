"""`bisonflow list` answers for a county, a state and an AIANNH area, from a folder and from S3, in every format."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from local_cloud.aws import process_environment
from stack import Stack
from test_real_data import write_reference
from test_workflow import local_run

COLUMNS = ["specieskey", "species", "riis_assessment", "occ_count", "first_year", "last_year", "occ_undated"]
GROUPS = {"invasive": "('invasive', 'widespread_invasive')", "nonnative": "('introduced', 'established', 'invasive', 'widespread_invasive')"}


def ask(worker: Path, root: str, run: str, region: str, *more: str, stack: Stack | None = None) -> subprocess.CompletedProcess[str]:
    env = process_environment(stack.endpoint) if stack else dict(os.environ)
    command = [worker, "list", "--root", root, "--run", run, "--region", region, *more]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, env=env)


def answered(*arguments: Any, **more: Any) -> str:
    told = ask(*arguments, **more)
    assert told.returncode == 0, told.stderr
    return told.stdout


def expected(annotated: Path, condition: str) -> list[dict[str, Any]]:
    """The list by DuckDB from the annotated records."""
    rows = duckdb.sql(f"""
        with records as (
            select nullif(nullif(specieskey, ''), '0') as specieskey, species, riis_assessment,
                   case when year between 1600 and 2026 then year end as year
            from read_parquet('{annotated}/*.parquet', hive_partitioning = false) where {condition})
        select specieskey, riis_assessment, count(*), min(year), max(year), count(*) - count(year)
        from records group by 1, 2""").fetchall()
    return [dict(zip(["specieskey", "riis_assessment", *COLUMNS[3:]], row)) for row in rows]


def by_key(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = [{column: row[column] for column in COLUMNS if column != "species"} for row in rows]
    return sorted(kept, key=lambda row: (str(row["specieskey"]), row["riis_assessment"]))


@pytest.fixture(scope="module")
def run_with_areas(worker: Path, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """600 real records with counties, states and AIANNH areas, in a folder."""
    folder = tmp_path_factory.mktemp("areas")
    arguments = write_reference(folder, real_data)
    manifest, _ = local_run(worker, folder / "out", "--source", real_data / "gbif" / "us-2022-600-dwca.zip", *arguments)
    return folder / "out", manifest["run_id"]


def test_any_layer_in_any_format(worker: Path, run_with_areas: tuple[Path, str]) -> None:
    out, run = run_with_areas
    annotated = out / "annotated" / f"run={run}"
    first = pq.read_table(out / f"summaries/aiannh_counts/run={run}/aiannh_counts.parquet", partitioning=None).to_pylist()[0]
    county = pq.read_table(out / f"summaries/county_counts/run={run}/county_counts.parquet", partitioning=None)
    county_name = max(county.to_pylist(), key=lambda row: (row["county_geoid"] is not None, row["occ_count"]))["state_county"]
    for region, condition in [
        (county_name, f"state_county = '{county_name.replace(chr(39), chr(39) * 2)}'"),
        ("KS", "census_state = 'KS'"),
        (first["aiannh_name"], f"aiannh_geoid = '{first['aiannh_geoid']}'"),
    ]:
        right = by_key(expected(annotated, condition))
        assert right, region
        document = json.loads(answered(worker, out, run, region, "--format", "json"))
        assert document["run"] == run and by_key(document["species"]) == right
        names = [row["species"] or "\uffff" for row in document["species"]]
        assert names == sorted(names, key=str.encode)
        table = answered(worker, out, run, region)
        for row in document["species"]:
            assert row["species"] is None or row["species"] in table
        rows = list(csv.DictReader(io.StringIO(answered(worker, out, run, region, "--format", "csv"))))
        number = lambda row, column: int(row[column]) if row[column] else None  # noqa: E731
        numbers = ["occ_count", "first_year", "last_year", "occ_undated"]
        rows = [{**row, "specieskey": row["specieskey"] or None, **{name: number(row, name) for name in numbers}} for row in rows]
        assert by_key(rows) == right
    for status, statuses in GROUPS.items():
        document = json.loads(answered(worker, out, run, "KS", "--status", status, "--format", "json"))
        assert by_key(document["species"]) == by_key(expected(annotated, f"census_state = 'KS' and riis_assessment in {statuses}"))


def test_from_s3_as_from_a_folder(stack: Stack, worker: Path, run_with_areas: tuple[Path, str]) -> None:
    out, run = run_with_areas
    for folder in ("runs", "summaries"):
        for path in (out / folder).rglob("*.*"):
            if path.is_file():
                stack.put(f"{path.relative_to(out)}", path)
    try:
        here = answered(worker, out, run, "KS", "--format", "csv")
        assert answered(worker, f"s3://{stack.bucket}", run, "KS", "--format", "csv", stack=stack) == here
        told = ask(worker, f"s3://{stack.bucket}", f"{run}0"[:64], "KS", stack=stack)
        assert told.returncode == 64 and run in told.stderr
    finally:
        for key in [*stack.keys(f"runs/run={run}/"), *[key for key in stack.keys("summaries/") if f"run={run}/" in key]]:
            stack.s3.delete_object(Bucket=stack.bucket, Key=key)


def test_what_is_not_there(worker: Path, run_with_areas: tuple[Path, str], tmp_path: Path) -> None:
    out, run = run_with_areas
    for root, run_, region, more, word in [
        (out, run, "Nevda County", [], "most like it"),
        (out, run, "KS", ["--summary", "parish"], "it has aiannh, county, state"),
        (out, "gbif-0000000", "KS", [], "which is not below"),
        (tmp_path / "absent", run, "KS", [], "which is not there"),
        (out, run, "kansas", [], "; state A"),
        (out, run, "KS", ["--status", "purple"], "widespread_invasive"),
    ]:
        told = ask(worker, str(root), run_, region, *more)
        assert told.returncode == 64 and word in told.stderr, told
    assert not (tmp_path / "absent").exists()


def test_a_region_without_records_has_an_empty_list(worker: Path, run_with_areas: tuple[Path, str]) -> None:
    out, run = run_with_areas
    counts = pq.read_table(next((out / "summaries" / "county_counts").rglob("*.parquet")), partitioning=None)
    assert "KS Wallace County" not in counts["state_county"].to_pylist()
    region = (worker, str(out), run, "KS Wallace County")
    assert "0 species, 0 occurrences" in answered(*region)
    document = json.loads(answered(*region, "--format", "json"))
    assert document["species"] == [] and document["region"]["census_state"] == "KS"
    (header,) = answered(*region, "--format", "csv").splitlines()
    assert header.split(",")[-len(COLUMNS) :] == COLUMNS
