"""A large archive lands through a bad line: 5 GB of text, 1 GB zipped, from a server that fails again and again.

`cargo xtask test --large` runs this; it takes some minutes and 3 GB of disk. Every record is made from its number, so that
other software (pyarrow) can check what landed cell by cell. The text deflates as GBIF's does, to about a fifth: most columns
are empty or repeat themselves, and identifiers, places, dates and names do not.
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

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

RECORDS = int(os.environ.get("BISONFLOW_LARGE_RECORDS", "2900000"))
BATCH = 20_000
LOST_EVERY_BYTES = 50_000_000
MOST_MEMORY_BYTES = 1_000_000_000

LANDED = [
    "gbifID", "datasetKey", "occurrenceID", "catalogNumber", "recordNumber", "recordedBy", "identifiedBy", "rightsHolder",
    "kingdom", "species", "taxonRank", "countryCode", "stateProvince", "locality", "occurrenceStatus", "decimalLatitude",
    "decimalLongitude", "coordinateUncertaintyInMeters", "elevation", "eventDate", "day", "month", "year", "taxonKey",
    "speciesKey", "basisOfRecord", "license", "lastInterpreted", "issue",
]  # fmt: skip
NOISY = ["references", "identifier", "eventID", "materialSampleID", "taxonConceptID", "bibliographicCitation"]
FURTHER = [f"further{number}" for number in range(220)]
FILLING = "\t".join("" if number % 6 else f"some text of column {number}" for number in range(len(FURTHER)))
NOISE_BYTES = 22
LISTS = {"recordedby", "identifiedby", "issue"}


def cells(number: int) -> list[str]:
    """The cells of a record that land, all of them from its number."""
    dice = hashlib.shake_128(number.to_bytes(8, "little")).digest(48)
    noise = dice.hex()
    pick = int.from_bytes(dice[:6], "little")
    year, month, day = 1950 + pick % 75, 1 + pick % 12, 1 + pick % 28
    return [
        str(5_000_000_000 + number),
        f"50c9509d-22c7-4a22-a47d-8c48425e{pick % 97:04x}",
        f"{noise[:8]}-{noise[8:12]}-4{noise[12:15]}-a{noise[15:18]}-{noise[18:30]}",
        f"CAT-{noise[30:42]}" if dice[0] < 200 else "",
        f"{number % 100_003}/{noise[42:48]}",
        f"Collector {dice[1]};Guide {dice[2] % 40}" if dice[3] < 220 else "",
        f"Botanist {pick % 4001}" if dice[3] < 160 else "",
        f"Holder {noise[48:60]}",
        "Plantae",
        f"Species {pick % 5003}",
        "SPECIES",
        "US",
        f"State {dice[4] % 51}",
        f"{dice[5]} m from the bridge over creek {noise[60:70]}",
        "PRESENT",
        f"{24 + dice[6] % 25}.{int(noise[70:75], 16):07d}",
        f"-{67 + dice[7] % 58}.{int(noise[75:80], 16):07d}",
        f"{dice[8] * 10}.0" if dice[8] < 128 else "",
        f"{dice[9] * 7}.5" if dice[9] < 64 else "",
        f"{year}-{month:02}-{day:02}T{dice[10] % 24:02}:{dice[11] % 60:02}:{dice[12] % 60:02}",
        str(day),
        str(month),
        str(year),
        str(1_000_000 + pick % 9973),
        str(2_000_000 + pick % 5003),
        "HUMAN_OBSERVATION",
        "CC_BY_4_0",
        f"2026-10-{1 + dice[13] % 28:02}T{dice[14] % 24:02}:{dice[15] % 60:02}:{dice[16] % 60:02}.{pick % 1000:03}Z",
        f"COORDINATE_ROUNDED;ISSUE_{dice[17] % 7}",
    ]


def line(number: int) -> str:
    """A record as it stands in the text."""
    noise = hashlib.shake_128(number.to_bytes(16, "little")).hexdigest(NOISE_BYTES * len(NOISY))
    noisy = (noise[at : at + 2 * NOISE_BYTES] for at in range(0, len(noise), 2 * NOISE_BYTES))
    return "\t".join([*cells(number), *noisy, FILLING]) + "\n"


def generate(path: Path) -> tuple[str, int]:
    """Writes the archive; the SHA-256 and the length of its text."""
    digest, length = hashlib.sha256(), 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("occurrence.txt", "w", force_zip64=True) as entry:
            header = ["\t".join(LANDED + NOISY + FURTHER) + "\n"]
            batches = (map(line, range(at, min(at + BATCH, RECORDS))) for at in range(0, RECORDS, BATCH))
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


def check(table: pa.Table, first: int) -> None:
    """Compares records, the first of which has this number, cell by cell with what was generated."""
    columns = zip(*map(cells, range(first, first + table.num_rows)), strict=True)
    for name, column in zip(map(str.lower, LANDED), columns, strict=True):
        texts = pa.array(column)
        texts = pc.if_else(pc.equal(texts, ""), None, texts)
        expected = pc.split_pattern(texts, ";") if name in LISTS else texts
        landed = table[name]
        assert pa.chunked_array([expected.cast(landed.type)]).equals(landed), f"{name}, from record {first} on"
    for name in set(table.column_names) - {name.lower() for name in LANDED}:
        assert table[name].null_count == table.num_rows, name


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
    checked = 0
    for part in landing["parts"]:
        file = pq.ParquetFile(tmp_path / "out" / part["uri"])
        for batch in file.iter_batches(200_000):
            check(pa.Table.from_batches([batch]), checked)
            checked += batch.num_rows
    assert checked == RECORDS
    assert server.lost >= archive.stat().st_size // LOST_EVERY_BYTES - 1
    assert server.busy > 0
    assert server.wrong == 1
    assert peak < MOST_MEMORY_BYTES
    print(
        f"\n{length / 1e9:.1f} GB of text, {archive.stat().st_size / 1e9:.2f} GB zipped, {RECORDS} records in {seconds:.0f} s: "
        f"{server.asked} requests, {server.lost} connections lost, {server.busy} times busy, {server.wrong} wrong range, peak memory {peak / 1e6:.0f} MB"
    )
