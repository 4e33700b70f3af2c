"""A landing that is killed again and again, at any moment, ends with every record once and leaves nothing behind."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from stack import Stack

RECORDS = 99_900
PART_RECORDS = 300
KILLS = 10
LONGEST_S = 0.5
"""A killed try lives for so long at most: all ten together are shorter than one landing."""


def open_uploads(stack: Stack, prefix: str) -> list[str]:
    return [upload["Key"] for upload in stack.s3.list_multipart_uploads(Bucket=stack.bucket, Prefix=prefix).get("Uploads", [])]


def test_a_landing_survives_ten_kills(stack: Stack, worker: Path, tmp_path: Path) -> None:
    subprocess.run([worker, "sample", "--records", str(RECORDS), "--out", tmp_path], check=True)
    (archive,) = tmp_path.glob("*.zip")
    stack.put("sources/killed.zip", archive)
    # Parts of one small row group each, so that there is nearly always one under way.
    command = [
        worker, "land", "--source", f"s3://{stack.bucket}/sources/killed.zip", "--out", f"s3://{stack.bucket}",
        "--row-group-records", str(PART_RECORDS), "--part-bytes", "1",
    ]  # fmt: skip
    # Another run's upload, whose key begins like those of this run, is nobody's business.
    neighbour = "occurrences/run=upload-killed-zip"
    other = stack.s3.create_multipart_upload(Bucket=stack.bucket, Key=f"{neighbour}/part-00000.parquet")

    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    left_open, landed = 0, []
    for kill in range(KILLS):
        with (tmp_path / f"log-{kill}").open("wb") as log:
            process = subprocess.Popen(command, env=stack.environment(), stdout=log, stderr=log)
            time.sleep(moments.uniform(0, LONGEST_S))
            process.kill()
        assert process.wait() == -9, f"try {kill} ended by itself: {(tmp_path / f'log-{kill}').read_text()}"
        left_open += bool(open_uploads(stack, "occurrences/run=upload-killed-zip-"))
        landed.append(len(stack.keys("occurrences/run=upload-killed-zip-")))
    print(f"after each kill: {landed} parts; with an open upload {left_open} times")
    assert left_open > 0, "no kill hit an upload"
    assert landed[-1] < RECORDS // PART_RECORDS, "everything had landed before the last kill"
    subprocess.run(command, env=stack.environment(), stdout=subprocess.DEVNULL, check=True)

    (landing,) = [key for key in stack.keys("runs/run=upload-killed-zip-") if key.endswith("landing.json")]
    run = landing.split("/")[1].removeprefix("run=")
    document = stack.document(run, "landing.json")
    assert document["records"] == {"read": RECORDS, "ragged": 0, "rejected": 0, "landed": RECORDS}
    keys = stack.keys(f"occurrences/run={run}/")
    assert keys == [part["uri"] for part in document["parts"]] and len(keys) == RECORDS // PART_RECORDS
    parts = [pq.read_table(pa.BufferReader(stack.get(key) or b"")) for key in keys]
    ids = pa.concat_tables(parts)["gbifid"].to_pylist()
    assert len(ids) == RECORDS == len(set(ids))
    # Cell by cell, and in the order of the source, what a landing that nobody killed has.
    subprocess.run([worker, "land", "--source", archive, "--out", tmp_path / "whole"], check=True)
    (whole,) = (tmp_path / "whole").rglob("part-*.parquet")
    assert pa.concat_tables(parts).equals(pq.ParquetFile(whole).read())

    assert open_uploads(stack, "") == [f"{neighbour}/part-00000.parquet"]
    assert [key for key in stack.keys(f"runs/run={run}/") if "checkpoints/" in key] == []
    stack.s3.abort_multipart_upload(Bucket=stack.bucket, Key=other["Key"], UploadId=other["UploadId"])
