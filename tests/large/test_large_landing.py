"""A large archive lands through a bad line: 5 GB of text from a server that fails again and again.

`cargo xtask test --large` runs this; it takes minutes and 8 GB of disk. Every record is made from its number, so that
what landed can be checked record by record by other software (pyarrow).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

RECORDS = int(os.environ.get("BISONFLOW_LARGE_RECORDS", "2500000"))
FIRST_ID = 5_000_000_000
BATCH = 20_000
LOST_EVERY_BYTES = 50_000_000
MOST_MEMORY_BYTES = 1_000_000_000

NAMES = [
    "gbifID", "datasetKey", "occurrenceID", "kingdom", "species", "taxonRank", "countryCode", "locality",
    "occurrenceStatus", "decimalLatitude", "decimalLongitude", "eventDate", "day", "month", "year", "taxonKey",
    "speciesKey", "basisOfRecord", "issue",
]  # fmt: skip
FURTHER = [f"further{number}" for number in range(200)]
FILLING = "\t".join("" if number % 3 else f"some text of column {number}" for number in range(len(FURTHER)))


def record(number: int) -> str:
    """The line of a record, all of it from its number."""
    return (
        f"{FIRST_ID + number}\td{number % 97}\turn:occurrence:{number}\tPlantae\tSpecies {number % 5003}\tSPECIES\tUS\t"
        f"place {number % 100_003} by the river\tPRESENT\t{number % 90}.{number % 10_007:05}\t-{number % 180}.5\t"
        f"{1950 + number % 70}-{1 + number % 12:02}-{1 + number % 28:02}\t{1 + number % 28}\t{1 + number % 12}\t"
        f"{1950 + number % 70}\t{number % 9973}\t{number % 5003}\tHUMAN_OBSERVATION\tCOORDINATE_ROUNDED;T{number % 7}\t"
        f"{FILLING}\n"
    )


def generate(path: Path) -> tuple[str, int]:
    """Writes the archive; the SHA-256 and the length of its text."""
    digest, length = hashlib.sha256(), 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("occurrence.txt", "w", force_zip64=True) as entry:
            header = ["\t".join(NAMES + FURTHER) + "\n"]
            batches = (map(record, range(at, min(at + BATCH, RECORDS))) for at in range(0, RECORDS, BATCH))
            for lines in itertools.chain([header], batches):
                content = "".join(lines).encode()
                digest.update(content)
                length += len(content)
                entry.write(content)
    return digest.hexdigest(), length


class BadServer:
    """Gives ranges of a file; loses the connection every 50 MB, is busy now and then, and gives a wrong range once."""

    def __init__(self, path: Path) -> None:
        self.lost = self.busy = self.wrong = 0
        self.asked = self.given = 0
        lock = threading.Lock()
        length = path.stat().st_size
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # noqa: N802 (http.server's name)
                start, _, end = (self.headers["Range"] or "bytes=0-").removeprefix("bytes=").partition("-")
                first, last = int(start), min(int(end or length), length - 1)
                with lock:
                    server.asked += 1
                    is_busy, is_wrong = server.asked % 37 == 5, server.asked == 11
                    server.busy += is_busy
                    server.wrong += is_wrong
                if is_busy:
                    self.send_response(503)
                    self.send_header("Retry-After", "1")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if is_wrong:
                    first -= min(first, 4096)
                self.send_response(206)
                self.send_header("ETag", '"one"')
                self.send_header("Content-Range", f"bytes {first}-{last}/{length}")
                self.send_header("Content-Length", str(last - first + 1))
                self.end_headers()
                with path.open("rb") as file:
                    file.seek(first)
                    left = last - first + 1
                    while left > 0:
                        piece = file.read(min(left, 1 << 18))
                        with lock:
                            before = server.given // LOST_EVERY_BYTES
                            server.given += len(piece)
                            is_lost = server.given // LOST_EVERY_BYTES > before
                            server.lost += is_lost
                        try:
                            self.wfile.write(piece[: len(piece) // 2] if is_lost else piece)
                        except OSError:
                            return  # who asked has gone
                        if is_lost:
                            self.close_connection = True
                            return
                        left -= len(piece)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/large.zip"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def peak_until_end(process: subprocess.Popen[bytes]) -> int:
    """Waits for the end of a process; the most memory that it held, bytes."""
    peak = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        peak = max([peak, *(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))])
        time.sleep(0.05)
    return peak


def check(table: pa.Table) -> pa.ChunkedArray:
    """Compares every record with what its id says it is; answers the numbers of the records."""
    numbers = pc.subtract(table["gbifid"].cast(pa.int64()), FIRST_ID)

    def modulo(divisor: int) -> Any:
        return pc.subtract(numbers, pc.multiply(pc.divide(numbers, divisor), divisor))

    def text(number: Any) -> Any:
        return number.cast(pa.string())

    def joined(*parts: Any) -> Any:
        return pc.binary_join_element_wise(*parts, "")

    latitude = joined(text(modulo(90)), ".", pc.utf8_lpad(text(modulo(10_007)), 5, "0")).cast(pa.float64())
    expected = {
        "occurrenceid": joined("urn:occurrence:", text(numbers)),
        "species": joined("Species ", text(modulo(5003))),
        "locality": joined("place ", text(modulo(100_003)), " by the river"),
        "decimallatitude": latitude,
        "decimallongitude": pc.subtract(-0.5, modulo(180)),
        "year": pc.add(modulo(70), 1950).cast(pa.int32()),
        "day": pc.add(modulo(28), 1).cast(pa.int32()),
        "taxonkey": text(modulo(9973)),
        "specieskey": text(modulo(5003)),
    }
    for name, values in expected.items():
        assert pc.all(pc.equal(table[name], values)).as_py() is True, name
    issues = pc.list_element(table["issue"], 1)
    assert pc.all(pc.equal(issues, joined("T", text(modulo(7))))).as_py() is True
    return numbers


def test_a_large_archive_lands_through_a_bad_line(tmp_path: Path) -> None:
    worker = Path(os.environ["BISONFLOW_BINARIES"]) / "bisonflow"
    archive = tmp_path / "large.zip"
    sha256, length = generate(archive)
    server = BadServer(archive)
    begun = time.monotonic()
    process = subprocess.Popen([worker, "land", "--source", server.url, "--out", tmp_path / "out"])
    peak = peak_until_end(process)
    seconds = time.monotonic() - begun
    assert process.returncode == 0
    (landing,) = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("runs/run=*/landing.json")]
    source, records = landing["source"], landing["records"]
    assert (source["entry_sha256"], source["entry_bytes"]) == (sha256, length)
    assert source["bytes"] == archive.stat().st_size
    assert records == {"read": RECORDS, "ragged": 0, "rejected": 0, "landed": RECORDS}
    next_number = 0
    for part in landing["parts"]:
        file = pq.ParquetFile(tmp_path / "out" / part["uri"])
        for group in range(file.num_row_groups):
            numbers = check(file.read_row_group(group))
            assert numbers[0].as_py() == next_number
            steps = pc.pairwise_diff(numbers.combine_chunks())
            assert pc.min_max(steps).as_py() == {"min": 1, "max": 1}
            next_number += len(numbers)
    assert next_number == RECORDS
    assert server.lost >= archive.stat().st_size // LOST_EVERY_BYTES - 1 and server.busy and server.wrong == 1
    assert peak < MOST_MEMORY_BYTES
    print(
        f"\n{length / 1e9:.1f} GB of text, {archive.stat().st_size / 1e9:.2f} GB zipped, {RECORDS} records in {seconds:.0f} s: "
        f"{server.lost} connections lost, {server.busy} times busy, {server.wrong} wrong range, peak memory {peak / 1e6:.0f} MB"
    )
