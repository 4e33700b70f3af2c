"""The local cloud with the whole stack, started once for all end-to-end tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from gbif import Gbif
from stack import Stack, WORKSPACE

REAL_DATA = WORKSPACE.parent / "shared" / "data"


@pytest.fixture(scope="session")
def binaries() -> Path:
    """The folder of the built programs, as `cargo xtask test` gives it."""
    folder = os.environ.get("BISONFLOW_BINARIES")
    assert folder, "set BISONFLOW_BINARIES to the folder of the built programs, or call `cargo xtask test`"
    return Path(folder)


@pytest.fixture(scope="session")
def worker(binaries: Path) -> Path:
    return binaries / "bisonflow"


@pytest.fixture(scope="session")
def gbif() -> Iterator[Gbif]:
    """GBIF's service, as the stack knows it."""
    gbif = Gbif()
    yield gbif
    gbif.server.shutdown()


@pytest.fixture(scope="session")
def stack(
    binaries: Path, gbif: Gbif, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Stack]:
    """The deployed stack. Its logs are kept when a test failed."""
    state = tmp_path_factory.mktemp("local-cloud")
    with Stack.start(binaries, state, gbif.url, more=("--parameter", "GbifCredentialsSecret=gbif/account")) as stack:
        user, password = gbif.account
        stack.secrets.create_secret(Name="gbif/account", SecretString=json.dumps({"username": user, "password": password}))
        yield stack
    if request.session.testsfailed:
        print(f"\nlogs of the local cloud: {state}")
    else:
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="session")
def sample(worker: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a synthetic download of 3,000 records and its register."""
    folder = tmp_path_factory.mktemp("sample")
    subprocess.run([worker, "sample", "--records", "3000", "--out", folder], check=True)
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real GBIF, RIIS and Census files; tests that need it are skipped without it."""
    if not REAL_DATA.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    return REAL_DATA
