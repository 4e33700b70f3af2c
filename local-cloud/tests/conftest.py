"""A local cloud for the tests, in the same form in which people start it."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_cloud.aws import client

HERE = Path(__file__).parent
START_SECONDS = 60


@dataclass
class Cloud:
    """A running local cloud."""

    process: subprocess.Popen[str]
    state: Path
    ready: dict[str, Any]

    @property
    def endpoint(self) -> str:
        return str(self.ready["endpoint"])

    @property
    def outputs(self) -> dict[str, str]:
        return dict(self.ready["outputs"])

    @property
    def bucket(self) -> str:
        return str(self.ready["bucket"])

    def client(self, service: str) -> Any:
        return client(service, self.endpoint)

    def ask(self, payload: Any, function: str = "StandInFunctionArn") -> Any:
        """Calls a function; the answer, or the whole response when it is an error."""
        response = self.client("lambda").invoke(
            FunctionName=self.outputs[function], Payload=json.dumps(payload)
        )
        answer = json.load(response["Payload"])
        return {**response, "Payload": answer} if "FunctionError" in response else answer

    def post(self, path: str, body: Any) -> None:
        """Asks one of the local cloud's own paths."""
        request = urllib.request.Request(
            self.endpoint + path, data=json.dumps(body).encode(), method="POST"
        )
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).read()

    def notifications(self) -> list[dict[str, Any]]:
        path = self.state / "notifications.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What the condition gives, as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.05)
    return value


def start_cloud(state: Path, *arguments: str) -> Cloud:
    """Starts a local cloud with the small template of the tests."""
    binaries = state / "binaries"
    binaries.mkdir(parents=True)
    shutil.copy(HERE / "stand_ins" / "stand-in", binaries / "stand-in")
    shutil.copy(HERE / "stand_ins" / "stand-in", binaries / "does-not-start")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "local_cloud",
            "--template",
            str(HERE / "template.yaml"),
            "--state",
            str(state),
            "--binaries",
            str(binaries),
            "--image-command",
            str(HERE / "stand_ins" / "worker"),
            *arguments,
        ],
        cwd=HERE.parent,
        env={**os.environ, "AWS_PROFILE": "of-the-caller", "AWS_SESSION_TOKEN": "of-the-caller"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"the local cloud did not start: exit code {process.wait(START_SECONDS)}"
    return Cloud(process, state, json.loads(line))


def stop_cloud(cloud: Cloud) -> int:
    """Stops it as a parent does that goes away."""
    assert cloud.process.stdin is not None
    cloud.process.stdin.close()
    return cloud.process.wait(20)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One cloud for all tests that do not need one of their own."""
    started = start_cloud(
        tmp_path_factory.mktemp("cloud"),
        "--wait-seconds=1",
        "--batch-slots=4",
        "--gbif-bucket=open-data",
        "--parameter=Greeting=good day",
    )
    yield started
    assert stop_cloud(started) == 0
