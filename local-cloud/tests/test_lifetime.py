"""How a local cloud starts, and that nothing of it is left when it ends."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HERE, Cloud, start_cloud, stop_cloud, wait_for


def a_running_function(cloud: Cloud) -> int:
    return int(cloud.ask({"do": "pid"}))


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and ") Z " not in stat.read_text()


@pytest.mark.parametrize("end", ["stdin", "SIGTERM", "SIGINT"])
def test_it_takes_everything_with_it(tmp_path: Path, end: str) -> None:
    cloud = start_cloud(tmp_path)
    function = a_running_function(cloud)
    assert alive(function)
    if end == "stdin":
        assert stop_cloud(cloud) == 0
    else:
        cloud.process.send_signal(signal.Signals[end])
        assert cloud.process.wait(20) == 0
    wait_for(lambda: not alive(function))
    assert json.loads((tmp_path / "ready.json").read_text()) == cloud.ready


def test_the_stack_says_where_things_are(cloud: Cloud) -> None:
    assert cloud.ready["region"] == "us-east-1"
    assert cloud.ready["state_machine_arn"] == cloud.outputs["StateMachineArn"]
    assert cloud.ready["topic_arn"].startswith("arn:aws:sns:us-east-1:123456789012:bisonflow-Topic")
    types = {
        resource["ResourceType"]
        for resource in cloud.client("cloudformation").describe_stack_resources(
            StackName="bisonflow"
        )["StackResources"]
    }
    assert {"AWS::Glue::Crawler", "AWS::CloudWatch::Alarm", "AWS::Batch::JobQueue"} <= types


def start_with(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local_cloud", "--state", str(tmp_path), *arguments]
    return subprocess.run(
        command, cwd=HERE.parent, text=True, capture_output=True, timeout=60, check=False
    )


def test_missing_binaries_are_all_named(tmp_path: Path) -> None:
    template = str(HERE / "template.yaml")
    worker = str(HERE / "stand_ins" / "worker")
    given = ["--template", template, "--binaries", str(tmp_path), "--image-command", worker]
    failed = start_with(tmp_path, *given)
    assert failed.returncode == 2
    assert "stand-in (StandInFunction)" in failed.stderr
    assert "does-not-start (MisfitFunction)" in failed.stderr


def test_a_parameter_that_does_not_exist_is_named(tmp_path: Path) -> None:
    for name in ("stand-in", "does-not-start"):
        (tmp_path / name).touch()
    given = ["--template", str(HERE / "template.yaml"), "--binaries", str(tmp_path)]
    worker = str(HERE / "stand_ins" / "worker")
    failed = start_with(tmp_path, *given, "--image-command", worker, "--parameter", "Nothing=1")
    assert (failed.returncode, "no parameter Nothing" in failed.stderr) == (2, True)
