"""Files and inputs that are wrong end in the named error, and leave nothing half-written."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stack import Execution, Stack

HEADER = "gbifID\tdecimalLatitude\tdecimalLongitude\ttaxonKey\ttaxonRank\tcountryCode\tbasisOfRecord\toccurrenceStatus\n"
ROW = "1\t38.9\t-95.2\t5\tSPECIES\tUS\tHUMAN_OBSERVATION\tPRESENT\n"


@pytest.fixture(scope="module", autouse=True)
def register(stack: Stack, sample: Path) -> None:
    stack.put("reference/riis.csv", sample / "sample-riis.csv")


def zipped(**entries: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def parquet(**columns: list[Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


FILES: list[tuple[str, bytes, str, str]] = [
    ("empty.zip", b"", "UnsupportedFormat", "empty"),
    ("no-occurrences.zip", zipped(**{"readme.md": "x"}), "UnsupportedFormat", "occurrence"),
    ("truncated.zip", zipped(**{"occurrence.txt": HEADER + ROW * 500})[:-60], "CorruptArchive", "truncated.zip"),
    ("not-a.zip", b"\x89PNG\r\n\x1a\n" + bytes(200), "UnsupportedFormat", "not-a.zip"),
    ("no-coordinates.txt", b"gbifID\ttaxonKey\n1\t5\n", "UnsupportedFormat", "decimallatitude"),
    ("other.parquet", parquet(a=[1], b=["x"]), "UnsupportedFormat", "gbifid"),
    ("comma.csv", b"name,age\nx,3\n", "UnsupportedFormat", "comma.csv"),
]


def failed(stack: Stack, execution: Execution, error: str, word: str) -> None:
    assert (execution.status, execution.error) == ("FAILED", error), (execution.status, execution.error, execution.cause)
    assert execution.cause and word.lower() in execution.cause.lower(), execution.cause
    assert f"Error: {error}" in stack.notifications().replace("\\n", "\n")


@pytest.mark.parametrize(("name", "content", "error", "word"), FILES, ids=[row[0] for row in FILES])
def test_a_file_that_is_no_download(stack: Stack, name: str, content: bytes, error: str, word: str) -> None:
    execution = stack.upload(f"uploads/{name}", content)
    failed(stack, execution, error, word)
    run = name.replace(".", "-")
    for prefix in ("occurrences/", "annotated/", "summaries/", "csv/"):
        assert [key for key in stack.keys(prefix) if f"run=upload-{run}" in key] == []
    assert [key for key in stack.keys("runs/") if f"upload-{run}" in key and key.endswith(("landing.json", "manifest.json"))] == []


INPUTS: list[tuple[dict[str, Any], str]] = [
    ({}, "download_key, request, source, snapshot"),
    ({"sauce": "s3://bucket/x"}, "sauce"),
    ({"source": "s3://bucket/x", "snapshot": "2026-07-01"}, "more than one"),
    ({"download_key": "0006607-23"}, "download_key"),
    ({"download_key": "x; rm -rf /"}, "rm -rf"),
    ({"snapshot": "2026-07-01", "options": {"subset_records": 0}}, "subset_records"),
    ({"snapshot": "2026-07-01", "options": {"colour": "red"}}, "colour"),
    ({"source": "file:///etc/passwd"}, "upload the file"),
]


@pytest.mark.parametrize(("request_", "word"), INPUTS, ids=[json.dumps(row[0]) for row in INPUTS])
def test_an_input_that_is_wrong(stack: Stack, request_: dict[str, Any], word: str) -> None:
    failed(stack, stack.run(request_), "InvalidInput", word)


def test_what_is_not_there_is_said(stack: Stack) -> None:
    failed(stack, stack.run({"source": f"s3://{stack.bucket}/uploads/absent.zip"}), "DownloadNotAvailable", "absent.zip")
    failed(stack, stack.run({"snapshot": "1999-01-01"}), "DownloadNotAvailable", "1999-01-01")


def test_a_folder_marker_is_ignored(stack: Stack) -> None:
    execution = stack.upload("uploads/folder/", b"")
    assert (execution.status, execution.output["plan"]["outcome"]) == ("SUCCEEDED", "Ignored")


REFERENCE: list[tuple[str, dict[str, bytes], str]] = [
    ("no-key-column", {"riis.csv": b"locality,Introduced or Invasive,occurrenceID\nL48,invasive,a\n"}, "key"),
    ("no-such-attribute", {"layers.toml": b"""
[[layer]]
name = "county"
source = "county.geojson"
vintage = "2017"
scale = "1:10M"
id = "GEOID"
fields = { county_geoid = "GEOIDX" }
""", "county.geojson": b"""{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"GEOID": "1"},
 "geometry": {"type": "Polygon", "coordinates": [[[0,0],[1,0],[1,1],[0,0]]]}}]}"""}, "GEOIDX"),
    ("missing-file", {"layers.toml": b"""
[[layer]]
name = "county"
source = "nowhere.zip"
vintage = "2017"
scale = "1:10M"
id = "GEOID"
fields = { county_geoid = "GEOID" }
"""}, "nowhere.zip"),
    ("not-toml", {"layers.toml": b"[[layer]\n"}, "layers.toml"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "files", "word"), REFERENCE, ids=[row[0] for row in REFERENCE])
def test_reference_data_that_is_wrong(stack: Stack, name: str, files: dict[str, bytes], word: str) -> None:
    kept = {file: stack.get(f"reference/{file}") for file in files}
    try:
        for file, content in files.items():
            stack.put(f"reference/{file}", content)
        failed(stack, stack.upload(f"uploads/reference-{name}.txt", (HEADER + ROW).encode()), "BadReferenceData", word)
    finally:
        for file, content_before in kept.items():
            if content_before is None:
                stack.s3.delete_object(Bucket=stack.bucket, Key=f"reference/{file}")
            else:
                stack.put(f"reference/{file}", content_before)


def test_keys_of_another_checklist(stack: Stack) -> None:
    text = HEADER + ROW.replace("\t5\t", "\t5WZLF\t") * 50
    failed(stack, stack.upload("uploads/col-keys.txt", text.encode()), "BadReferenceData", "checklist")


def test_rows_never_fail_a_run(stack: Stack) -> None:
    rows = [
        ROW,
        ROW.replace("38.9", "91"),
        ROW.replace("38.9", "abc"),
        ROW.replace("38.9", "1e400"),
        ROW.replace("38.9", "NaN"),
        ROW.rstrip("\n").rsplit("\t", 2)[0] + "\n",  # two fields fewer
        ROW.rstrip("\n") + "\tmore\n",  # a field more
        ROW.replace("PRESENT", "PR\udcffSENT"),  # bad UTF-8
        ROW.replace("1\t", "\t", 1),  # no gbifID
    ]
    text = (HEADER + "".join(rows)).encode("utf-8", "surrogateescape")
    execution = stack.upload("uploads/rows.txt", text)
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    run = execution.output["summary"]["run_id"]
    ledger = stack.document(run, "ledger.json")["records"]
    assert (ledger["read"], ledger["rejected"], ledger["ragged"], ledger["landed"]) == (9, 3, 1, 6)
    assert ledger["filtered"]["coordinates"] == 4
    assert ledger["filtered"]["basis_of_record"] == 1
    assert ledger["annotated"] == 1
    assert stack.document(run, "landing.json")["unparsed"] == {"decimallatitude": 3}
    rejects = (stack.get(f"runs/run={run}/rejects/rejects.tsv") or b"").decode("utf-8", "replace")
    for word in ("abc", "1e400", "NaN", "more"):
        assert word in rejects
