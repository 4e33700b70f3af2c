"""Real GBIF, RIIS and Census files, where they are at hand; the figures were counted with GEOS and pandas."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import recompute
from stack import Stack
from test_workflow import adds_up, local_run, same_ledger, same_tables

LAYERS = """
riis_region_from = "census_state"
[[layer]]
name = "county"
source = "us_county_2017_10m.zip"
vintage = "2017"
scale = "1:10M"
id = "GEOID"
fields = { census_state = "STUSPS", census_county = "NAMELSAD", state_county = "{STUSPS} {NAMELSAD}", county_geoid = "GEOID" }
[[layer]]
name = "aiannh"
source = "cb_2021_us_aiannh_500k.zip"
vintage = "2021"
scale = "1:500k"
id = "GEOID"
fields = { aiannh_name = "NAMELSAD", aiannh_geoid = "GEOID", aiannh_lsad = "LSAD" }
[[summary]]
name = "county"
by = ["county_geoid", "state_county", "census_state", "census_county"]
[[summary]]
name = "state"
by = ["census_state"]
[[summary]]
name = "aiannh"
by = ["aiannh_geoid", "aiannh_name"]
"""

COUNTED: list[tuple[str, dict[str, Any], dict[str, int], int, dict[str, int], dict[str, int]]] = [
    (
        "us-2022-600-dwca.zip",
        {"read": 600, "ragged": 0, "rejected": 0, "landed": 600, "annotated": 600},
        {},
        598,
        {"aiannh": 7},
        {"invasive": 92, "introduced": 9, "not_listed": 497, "not_assessed": 2},
    ),
    (
        "us-2023-100-occurrence.txt",
        {"read": 100, "ragged": 100, "rejected": 0, "landed": 100, "annotated": 95},
        {"rank": 5},
        90,
        {"aiannh": 3},
        {"not_listed": 90, "not_assessed": 5},
    ),
    (
        "0000066-140928181241064.zip",
        {"read": 470, "rejected": 0, "landed": 470, "annotated": 63},
        {"country": 222, "coordinates": 140, "geospatial_issue": 2, "rank": 43},
        63,
        {"aiannh": 0},
        {"not_listed": 63},
    ),
]


@pytest.fixture(scope="module", autouse=True)
def reference(stack: Stack, real_data: Path) -> Any:
    """The real layers and register in the bucket, as long as these tests last."""
    before = stack.get("reference/riis.csv")
    stack.put("reference/layers.toml", LAYERS.encode())
    for name in ("us_county_2017_10m.zip", "cb_2021_us_aiannh_500k.zip"):
        stack.put(f"reference/{name}", real_data / "regions" / name)
    stack.put("reference/riis.csv", real_data / "riis" / "US-RIIS_MasterList.csv")
    yield
    stack.s3.delete_object(Bucket=stack.bucket, Key="reference/layers.toml")
    if before is not None:
        stack.put("reference/riis.csv", before)


def write_reference(folder: Path, real_data: Path) -> list[object]:
    """The real layers and register as files; the arguments of `bisonflow run` that name them."""
    reference = folder / "reference"
    reference.mkdir()
    (reference / "layers.toml").write_text(LAYERS)
    for source in ("us_county_2017_10m.zip", "cb_2021_us_aiannh_500k.zip"):
        (reference / source).symlink_to(real_data / "regions" / source)
    return ["--layers", reference / "layers.toml", "--riis", real_data / "riis" / "US-RIIS_MasterList.csv"]


@pytest.mark.parametrize(("name", "records", "filtered", "county", "layers", "riis"), COUNTED, ids=[row[0] for row in COUNTED])
def test_real_downloads(
    stack: Stack, worker: Path, real_data: Path, tmp_path: Path, name: str, records: dict[str, int],
    filtered: dict[str, int], county: int, layers: dict[str, int], riis: dict[str, int],
) -> None:  # fmt: skip
    execution = stack.upload(f"uploads/{name}", real_data / "gbif" / name)
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    run = execution.output["summary"]["run_id"]
    ledger = stack.document(run, "ledger.json")
    adds_up(ledger)
    assert {key: ledger["records"][key] for key in records} == records
    assert {key: count for key, count in ledger["records"]["filtered"].items() if count} == filtered
    assert ledger["layers"]["county"]["inside"] == county
    for layer, inside in layers.items():
        assert ledger["layers"][layer]["inside"] == inside
    assert {status: count for status, count in ledger["riis"].items() if count} == riis

    arguments = ["--source", real_data / "gbif" / name, *write_reference(tmp_path, real_data)]
    manifest, local = local_run(worker, tmp_path / "out", *arguments)
    same_ledger(local, ledger)
    same_tables(stack, run, tmp_path / "out", manifest)


STATES = """
[[layer]]
name = "state"
source = "cb_2020_us_state_500k.zip"
vintage = "2020"
scale = "1:500k"
id = "GEOID"
fields = { census_state = "STUSPS", state_name = "NAME" }
"""
SUMMARIES: dict[str, tuple[list[str], int, list[str]]] = {
    "county": (["county_geoid", "state_county"], 1, []),
    "aiannh": (["aiannh_geoid", "aiannh_name"], 1, ["species"]),
    "state": (["census_state", "state_name"], 2, ["sites"]),
}


@pytest.mark.parametrize("name", [row[0] for row in COUNTED])
def test_every_table_is_what_the_annotated_rows_say(worker: Path, real_data: Path, tmp_path: Path, name: str) -> None:
    """Counties, states as a layer of their own, and AIANNH areas; every table computed anew, row for row."""
    folder = tmp_path / "reference"
    folder.mkdir()
    layers = LAYERS[: LAYERS.index("[[summary]]")].replace('census_state = "STUSPS", census_county', "census_county") + STATES
    for summary, (by, min_count, sigma) in SUMMARIES.items():
        layers += f'[[summary]]\nname = "{summary}"\nby = {json.dumps(by)}\nmin_count = {min_count}\nsigma = {json.dumps(sigma)}\n'
    (folder / "layers.toml").write_text(layers)
    for source in ("us_county_2017_10m.zip", "cb_2021_us_aiannh_500k.zip", "cb_2020_us_state_500k.zip"):
        (folder / source).symlink_to(real_data / "regions" / source)
    register = real_data / "riis" / "US-RIIS_MasterList.csv"
    out = tmp_path / "out"
    arguments = ["--source", real_data / "gbif" / name, "--layers", folder / "layers.toml", "--riis", register]
    manifest, ledger = local_run(worker, out, *arguments)

    def rows(table: str) -> list[dict[str, Any]]:
        files = [out / file["key"] for file in manifest["tables"][table]["files"]]
        return [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]

    annotated, landed = rows("annotated"), rows("occurrences")
    assert len(annotated) == ledger["records"]["annotated"] and len(landed) == ledger["records"]["landed"]
    run_year = int(manifest["finished_at"][:4])
    with register.open(encoding="utf-8-sig", newline="") as file:
        listed = list(csv.DictReader(file))
    expected = {
        "riis_matches": recompute.riis_matches(annotated, listed),
        "dataset_counts": recompute.dataset_counts(landed, annotated, run_year),
    }
    for summary, (by, min_count, sigma) in SUMMARIES.items():
        expected |= recompute.summary_tables(summary, by, annotated, run_year, min_count, sigma)
        expected[f"{summary}_x_new_in_run"] = []  # there is no run to compare with
    assert set(expected) == set(manifest["tables"]) - {"annotated", "occurrences"}
    for table, should in expected.items():
        assert recompute.differences(rows(table), should) == [], table
    derived = Counter(row["datasetkey"] for row in annotated if row["datasetkey"])
    (csv_file,) = out.glob("csv/run=*/derived_dataset.csv")
    with csv_file.open(newline="") as file:
        assert {row["datasetkey"]: int(row["count"]) for row in csv.DictReader(file)} == derived


def test_three_subsets_are_an_array_of_three_children(stack: Stack, real_data: Path) -> None:
    stack.put("other/us-2022-600-dwca.zip", real_data / "gbif" / "us-2022-600-dwca.zip")
    request = {"source": f"s3://{stack.bucket}/other/us-2022-600-dwca.zip", "options": {"subset_records": 250}}
    execution = stack.run(request)
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    job = stack.batch.describe_jobs(jobs=[execution.output["job"]["job_id"]])["jobs"][0]
    assert job["arrayProperties"]["size"] == 3
    assert job["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 3
    run = execution.output["summary"]["run_id"]
    assert [subset["records"] for subset in stack.document(run, "subsets.json")["subsets"]] == [250, 250, 100]
    assert stack.table("annotated", run).num_rows == 600
    assert json.dumps(stack.document(run, "ledger.json")["riis"]["invasive"]) == "92"
