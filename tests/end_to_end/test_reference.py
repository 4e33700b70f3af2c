"""Reference data as people bring it: checked, indexed, pinned, and refused when it does not fit together."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from stack import Stack
from test_workflow import adds_up

LAYERS = """
riis_region_from = "square_state"
[[layer]]
name = "square"
source = "squares.geojson"
vintage = "2020"
scale = "1:500k"
id = "ID"
fields = { square_id = "ID", square_state = "STUSPS" }
[[summary]]
name = "square"
by = ["square_id", "square_state"]
"""


def squares(*states: str) -> str:
    """Two halves of the states from west to east."""
    features = []
    for number, state in enumerate(states):
        west = -130.0 + 35 * number
        ring = [[west, 20], [west + 35, 20], [west + 35, 50], [west, 50], [west, 20]]
        properties = {"ID": str(number), "STUSPS": state}
        features.append({"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}})
    return json.dumps({"type": "FeatureCollection", "features": features})


@pytest.fixture
def pushed(stack: Stack, worker: Path, sample: Path, tmp_path: Path) -> Iterator[str]:
    """Squares and the sample's register, pushed by the worker; what it said."""
    before = stack.get("reference/riis.csv")
    (tmp_path / "layers.toml").write_text(LAYERS)
    (tmp_path / "squares.geojson").write_text(squares("KS", "NY"))
    arguments = ["--layers", tmp_path / "layers.toml", "--riis", sample / "sample-riis.csv", "--to", f"s3://{stack.bucket}"]
    push = subprocess.run(
        [str(part) for part in (worker, "reference", "push", *arguments)],
        env=stack.environment(), check=True, capture_output=True, text=True,
    )  # fmt: skip
    yield push.stdout
    for name in ("layers.toml", "squares.geojson", "regions.index"):
        stack.s3.delete_object(Bucket=stack.bucket, Key=f"reference/{name}")
    if before is not None:
        stack.put("reference/riis.csv", before)


def test_the_workflow_maps_the_index_that_was_pushed(stack: Stack, sample: Path, pushed: str) -> None:
    assert f"s3://{stack.bucket}/reference/regions.index" in pushed
    stack.put("other/with-index.zip", sample / "sample-3000.zip")
    request = {"source": f"s3://{stack.bucket}/other/with-index.zip", "options": {"subset_records": 1500}}
    execution = stack.run(request)
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    run = execution.output["summary"]["run_id"]
    pins = stack.document(run, "plan.json")["reference"]
    head = stack.s3.head_object(Bucket=stack.bucket, Key="reference/regions.index")
    assert pins["index"] == {
        "uri": f"s3://{stack.bucket}/reference/regions.index",
        "version_id": head.get("VersionId"),
        "sha256": head["Metadata"]["sha256"],
        "bytes": head["ContentLength"],
    }
    ledger = stack.document(run, "ledger.json")
    adds_up(ledger)

    # The same as without an index.
    stack.s3.delete_object(Bucket=stack.bucket, Key="reference/regions.index")
    request["options"]["force"] = True
    again = stack.run(request)
    assert again.status == "SUCCEEDED", (again.error, again.cause)
    assert "index" not in stack.document(run, "plan.json")["reference"]
    rebuilt = stack.document(run, "ledger.json")
    assert (rebuilt["layers"], rebuilt["riis"]) == (ledger["layers"], ledger["riis"])
    assert 0 < ledger["layers"]["square"]["inside"]


def test_an_index_of_other_layers_ends_the_run(stack: Stack, sample: Path, pushed: str) -> None:
    stack.put("reference/squares.geojson", squares("KS", "MA").encode())
    stack.put("other/stale-index.zip", sample / "sample-3000.zip")
    execution = stack.run({"source": f"s3://{stack.bucket}/other/stale-index.zip"})
    assert (execution.status, execution.error) == ("FAILED", "BadReferenceData"), execution.cause
    for word in ("regions.index", "squares.geojson", "bisonflow reference push"):
        assert execution.cause and word in execution.cause, execution.cause
