"""What a run is the first to see, on three runs with a dataset that disappears and returns."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from browser import browser
from test_report import Run, every_number, errors, open_page

COLUMNS = "gbifID decimalLatitude decimalLongitude taxonKey speciesKey species taxonRank countryCode basisOfRecord occurrenceStatus"
HEADER = "\t".join([*COLUMNS.split(), "eventDate", "coordinateUncertaintyInMeters", "datasetKey", "issue"]) + "\n"
PLACES = {"douglas": ("38.9", "-95.2"), "denver": ("39.7", "-104.9"), "offshore": ("30.0", "-60.0")}
DOUGLAS, DENVER = "20045", "08031"


def record(gbifid: int, place: str, species: str, date: str, metres: str, dataset: str) -> str:
    cells = [str(gbifid), *PLACES[place], species, species, f"Aus no{species}", "SPECIES", "US", "HUMAN_OBSERVATION", "PRESENT"]
    return "\t".join([*cells, date, metres, dataset, "COORDINATE_ROUNDED;GEODETIC_DATUM_ASSUMED_WGS84"]) + "\n"


STAYS = [record(1, "douglas", "7", "1999-05-01", "10", "stays"), record(2, "douglas", "7", "2025-01-01", "10", "stays")]
RETURNS = [
    record(11, "douglas", "8", "2026-03-01", "30", "returns"),
    record(10, "denver", "7", "2026-02-01/2026-02-03", "100", "returns"),
    record(12, "offshore", "9", "2026-02-01", "5", "returns"),
]
LATER = [
    record(20, "denver", "10", "1950", "5", "stays"),
    record(21, "denver", "11", "2026-04-01", "", "stays"),
    record(22, "denver", "12", "2026-04-02T10:00:00", "10000", "stays"),
    record(23, "denver", "13", "2026-04-02", "10001", "stays"),
    record(24, "douglas", "14", "2026-04-02", "5", "stays"),
]
REGISTER = (
    "locality,scientificName,taxonRank,Introduced or Invasive,GBIF taxonKey,occurrenceID\n"
    "L48,Aus no12,Species,Invasive,12,USRIIS-L48-1\nL48,Aus no11,Species,Introduced,11,USRIIS-L48-2\n"
)


@pytest.fixture(scope="module")
def run(worker: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, list[str]], Run]:
    """Runs records below one root, each published as it ends."""
    folder = tmp_path_factory.mktemp("new-in-run")
    (folder / "riis.csv").write_text(REGISTER)
    out = folder / "out"

    def run(name: str, records: list[str], *options: str) -> Run:
        (folder / f"{name}.txt").write_text(HEADER + "".join(records))
        arguments = ["--out", out, "--source", folder / f"{name}.txt", "--riis", folder / "riis.csv", *options]
        subprocess.run([str(part) for part in (worker, "run", *arguments)], check=True, capture_output=True)
        (path,) = out.glob(f"runs/run=upload-{name}-*/manifest.json")
        manifest = json.loads(path.read_text())
        publish(out, manifest)
        return Run(out, manifest["run_id"])

    return run


def publish(out: Path, manifest: dict[str, Any]) -> None:
    """Publishes a run, unless it is already."""
    latest = out / "runs" / "latest.json"
    publications = json.loads(latest.read_text()) if latest.exists() else {"current": None, "history": []}
    if manifest["run_id"] in [one["run_id"] for one in publications["history"]]:
        return
    publication = {key: manifest[key] for key in ("run_id", "generation", "comparability")}
    publications["history"].append(publication | {"published_at": manifest["finished_at"], "state": "published"})
    latest.write_text(json.dumps(publications))


def new(run: Run, summary: str) -> list[tuple[str, str]]:
    return [(row[run.key(f"{summary}_x_new_in_run")], row["specieskey"]) for row in run.rows(f"{summary}_x_new_in_run")]


def test_a_dataset_that_disappears_and_returns_is_announced_once(run: Callable[..., Run], worker: Path) -> None:
    first = run("first", STAYS)
    because = "no other run is published"
    assert first.manifest["new_in_run"] == dict.fromkeys(["county", "state"], {"not_compared": {"because": because}})
    assert new(first, "county") == [] and f"Not compared, because {because}." in first.page.text()

    second = run("second", STAYS + RETURNS)
    assert new(second, "county") == [(DENVER, "7"), (DOUGLAS, "8")]
    third = run("third", STAYS)
    assert new(third, "county") == []
    fourth = run("fourth", STAYS + RETURNS + LATER)
    # The most severe first, then by county and species.
    assert new(fourth, "county") == [(DENVER, "12"), (DENVER, "11"), (DENVER, "10"), (DENVER, "13"), (DOUGLAS, "14")]
    assert new(fourth, "state") == [("CO", "12"), ("CO", "11"), ("CO", "10"), ("CO", "13"), ("KS", "14")]

    rows = fourth.rows("county_x_new_in_run")
    assert [row["recent"] for row in rows] == [True, True, False, True, True]
    assert [row["riis_assessment"] for row in rows] == ["invasive", "introduced", "not_listed", "not_listed", "not_listed"]
    earliest = {(row["county_geoid"], row["specieskey"]): row for row in fourth.rows("county_x_earliest_dated")}
    for row in rows:
        evidence = earliest[row["county_geoid"], row["specieskey"]]
        assert {name: row[name] for name in evidence} == evidence
    assert earliest[DOUGLAS, "7"]["gbifid"] == "1" and str(earliest[DENVER, "7"]["event_start"]) == "2026-02-01"

    told = fourth.manifest["new_in_run"]["county"]["compared"]
    assert (told["with"], told["pairs"], told["nonnative"], told["notable"]) == (third.run, 5, 2, 2)
    assert told["first"] == [
        "Aus no12 in CO Denver County (invasive): 2026-04-02T10:00:00, gbifid 22",
        "Aus no14 in KS Douglas County (not_listed): 2026-04-02, gbifid 24",
    ]
    # All that was ever seen goes on with the run, so older ones may be deleted.
    seen = pq.read_table(fourth.path.parent / "seen" / "county.county_geoid.parquet", partitioning=None).to_pylist()
    pairs = [(row["county_geoid"], row["specieskey"]) for row in seen]
    assert pairs == sorted(pairs) and set(pairs) == set(earliest)
    kept = pq.read_table(third.path.parent / "seen" / "county.county_geoid.parquet", partitioning=None).num_rows
    assert kept == 3, "more than the run itself has"

    other = run("other", STAYS, "--options", json.dumps({"filters": {"country": ["US", "PR"]}}))
    assert "filter country" in other.manifest["new_in_run"]["county"]["not_compared"]["because"]


def test_the_report_tells_what_is_new(run: Callable[..., Run], tmp_path: Path) -> None:
    before = run("before", STAYS)
    long = record(31, "douglas", "16", "2026-05-01", "5", "stays").replace("Aus no16", "Aus " + "x" * 5_000)
    after = run("after", STAYS + [LATER[0], record(30, "douglas", "15", "2026-05-01", "5", "stays"), long])
    assert before.manifest["new_in_run"]["county"]["compared"]["pairs"] == 0
    (line,) = [line for line in after.manifest["new_in_run"]["county"]["compared"]["first"] if "xxx" in line]
    assert len(line) < 250, "a message holds it"
    register = tmp_path / "riis.csv"
    register.write_text(REGISTER)
    every_number(after, register, 60)
    text = after.page.text()
    assert "Newly published for this region (not necessarily newly arrived)" in text and f"Compared with run {before.run}" in text
    with browser() as driver:
        open_page(driver, after)
        rows = "return [...document.querySelectorAll('[data-new]')].map(table => table.tBodies[0].rows.length)"
        assert driver.execute_script(rows) == [len(after.rows(f"{name}_x_new_in_run")) for name in ("county", "state")]
        heights = "return [...document.querySelectorAll('tr')].map(row => row.offsetHeight)"
        for media in ("screen", "print"):
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media})
            assert max(driver.execute_script(heights)) < 250, "a long name is cut"
        assert errors(driver) == []
