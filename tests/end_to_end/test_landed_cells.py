"""What landed equals the source cell by cell, read by other software: Python's csv on one side, pyarrow on the other."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

FURTHER = ["organismQuantity", "organismQuantityType", "county"]
FILES = [("us-2022-600-dwca.zip", 600), ("us-2023-100-occurrence.txt", 100), ("0000066-140928181241064.zip", 470)]


def rows_of(path: Path) -> tuple[list[str], list[list[str]]]:
    """The header in lower case, and the rows, as they stand in the file."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            text = archive.read("occurrence.txt").decode()
    else:
        text = path.read_bytes().decode()
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter="\t", quoting=csv.QUOTE_NONE, lineterminator="\n")
    header, *rows = list(reader)
    return [name.lower() for name in header], rows


def unquoted(cell: str) -> str:
    inner = cell[1:-1]
    is_quoted = len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if is_quoted else cell


def value(cell: str, kind: pa.DataType) -> Any:
    """What the cell says as a value of this type; what does not parse is null."""
    cell = unquoted(cell)
    if pa.types.is_list(kind):
        return [item.strip() for item in cell.split(";") if item.strip()] or None
    if cell == "":
        return None
    if pa.types.is_string(kind):
        return cell
    try:
        if pa.types.is_int32(kind):
            return int(cell)
        if pa.types.is_float64(kind):
            return float(cell) if math.isfinite(float(cell)) else None
        moment = datetime.fromisoformat(cell)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        return None


@pytest.mark.parametrize(("name", "count"), FILES)
def test_landed_cells_equal_the_source(worker: Path, real_data: Path, tmp_path: Path, name: str, count: int) -> None:
    header, rows = rows_of(real_data / "gbif" / name)
    further = [column for column in FURTHER if column.lower() in header]
    command = [worker, "land", "--source", real_data / "gbif" / name, "--out", tmp_path]
    subprocess.run([str(part) for part in command + (["--columns", ",".join(further)] if further else [])], check=True)
    (landing,) = [json.loads(path.read_text()) for path in tmp_path.glob("runs/run=*/landing.json")]
    assert landing["records"]["landed"] == count == len(rows)
    table = pa.concat_tables([pq.read_table(tmp_path / part["uri"], partitioning=None) for part in landing["parts"]])
    assert table.num_rows == count
    assert table.column_names[-len(further) :] == [column.lower() for column in further]
    compared = 0
    for field in table.schema:
        landed = table.column(field.name).to_pylist()
        if field.name not in header:
            assert set(landed) == {None}, field.name
            continue
        place = header.index(field.name)
        for number, (row, found) in enumerate(zip(rows, landed, strict=True)):
            cell = row[place] if place < len(row) else ""
            expected = value(cell, field.type)
            assert found == expected, f"{name}, line {number + 2}, {field.name}: {cell!r}"
            compared += expected is not None
    assert compared > 15 * count


def test_an_unknown_column_is_refused_with_those_most_like_it(worker: Path, real_data: Path, tmp_path: Path) -> None:
    source = real_data / "gbif" / "us-2022-600-dwca.zip"
    for option, name, nearest in (("--columns", "organismQuantitty", "organismquantity"), ("--only", "specieskeys", "specieskey")):
        command = [worker, "land", "--source", source, "--out", tmp_path, option, name]
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        assert refused.returncode == 64, refused.stderr
        assert nearest in refused.stderr and name.lower() in refused.stderr.lower(), refused.stderr
    assert not list(tmp_path.rglob("*.parquet"))
