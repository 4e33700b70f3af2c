"""EC2: user data, the shims, the metadata service, spot interruptions."""

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import Cloud, wait_for

from local_cloud.instances import forbidden_command


def launch(cloud: Cloud, script: str, **options: Any) -> str:
    reservation = cloud.client("ec2").run_instances(
        LaunchTemplate={"LaunchTemplateId": cloud.outputs["LaunchTemplate"]},
        InstanceType="r7g.xlarge",
        MinCount=1,
        MaxCount=1,
        UserData=script,
        **{"ClientToken": str(uuid.uuid4()), **options},
    )
    return str(reservation["Instances"][0]["InstanceId"])


def state(cloud: Cloud, instance_id: str) -> str:
    described = cloud.client("ec2").describe_instances(InstanceIds=[instance_id])
    return str(described["Reservations"][0]["Instances"][0]["State"]["Name"])


def log_of(cloud: Cloud, instance_id: str) -> str:
    path = cloud.state / "logs" / "instances" / f"{instance_id}.log"
    return path.read_text() if path.exists() else ""


def test_user_data_runs_the_worker_in_place_of_the_image(cloud: Cloud) -> None:
    script = """#!/bin/bash
set -euo pipefail
trap poweroff EXIT
shutdown -P +5
dnf install -y docker
aws ecr get-login-password | docker login --username AWS --password-stdin registry
docker pull registry/bisonflow@sha256:0
export FROM_HOST=host UNSEEN=1
docker run --rm --network=host -e GIVEN='a b' -e FROM_HOST -v /mnt/scratch:/scratch \
  --log-driver awslogs registry/bisonflow@sha256:0 do env /scratch/x
"""
    instance_id = launch(cloud, script)
    wait_for(lambda: state(cloud, instance_id) == "terminated")
    told = json.loads(log_of(cloud, instance_id).splitlines()[-1])
    assert told["argv"] == ["do", "env", "/mnt/scratch/x"]
    env = told["env"]
    assert (env["GIVEN"], env["FROM_HOST"]) == ("a b", "host")
    assert "UNSEEN" not in env
    assert env["AWS_ENDPOINT_URL"] == cloud.endpoint
    assert "local_cloud/shims" not in env["PATH"]


def test_a_client_token_launches_once(cloud: Cloud) -> None:
    first = launch(cloud, "#!/bin/sh\necho once\n", ClientToken="token-1")
    assert launch(cloud, "#!/bin/sh\necho once\n", ClientToken="token-1") == first
    wait_for(lambda: log_of(cloud, first) == "once\n")


def test_terminate_ends_the_processes(cloud: Cloud, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = (
        f"#!/bin/sh\nsleep 1000 &\necho $! > {pid_file}.new; mv {pid_file}.new {pid_file}; wait\n"
    )
    instance_id = launch(cloud, script)
    wait_for(pid_file.exists)
    cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])
    assert state(cloud, instance_id) == "terminated"
    wait_for(lambda: not Path(f"/proc/{pid_file.read_text().strip()}").exists())


def test_tags_and_spot_market_are_seen(cloud: Cloud) -> None:
    instance_id = launch(
        cloud,
        "#!/bin/sh\n",
        InstanceMarketOptions={"MarketType": "spot"},
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "bisonflow:run", "Value": "run-1"}]}
        ],
    )
    filters = [{"Name": "tag:bisonflow:run", "Values": ["run-1"]}]
    found = cloud.client("ec2").describe_instances(Filters=filters)["Reservations"]
    (instance,) = found[0]["Instances"]
    assert (instance["InstanceId"], instance["InstanceLifecycle"]) == (instance_id, "spot")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_metadata_service_tells_of_an_interruption(cloud: Cloud) -> None:
    script = """#!/bin/bash
token=$(curl -sf -X PUT http://169.254.169.254/latest/api/token)
ask() { curl -sf -H "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/$1; }
ask instance-id; echo
ask spot/instance-action || echo "no notice"
until ask spot/instance-action; do sleep 0.1; done
sleep 1000
"""
    instance_id = launch(cloud, script)
    wait_for(lambda: "no notice" in log_of(cloud, instance_id))
    cloud.post(f"/_instance/{instance_id}/interrupt", {"seconds": 1})
    wait_for(lambda: '"action": "terminate"' in log_of(cloud, instance_id))
    wait_for(lambda: state(cloud, instance_id) == "terminated")
    assert log_of(cloud, instance_id).startswith(instance_id)


def test_a_script_that_would_switch_off_this_machine_is_not_run(cloud: Cloud) -> None:
    assert forbidden_command(b"#!/bin/sh\n/sbin/poweroff\n") == "/sbin/poweroff"
    assert forbidden_command(b"#!/bin/sh\nshutdown -P now\n") is None
    instance_id = launch(cloud, "#!/bin/sh\necho started\n/no/such/sbin/shutdown now\n")
    wait_for(lambda: "not run" in log_of(cloud, instance_id))
    assert "started" not in log_of(cloud, instance_id)


def test_a_pool_without_capacity_refuses(cloud: Cloud) -> None:
    cloud.post("/_instance/pools", {"without_capacity": ["r7g.xlarge", "spot"]})
    try:
        for options in ({}, {"InstanceMarketOptions": {"MarketType": "spot"}}):
            with pytest.raises(ClientError) as refused:
                launch(cloud, "#!/bin/sh\n", **options)
            assert refused.value.response["Error"]["Code"] == "InsufficientInstanceCapacity"
    finally:
        cloud.post("/_instance/pools", {"without_capacity": []})
    launch(cloud, "#!/bin/sh\n")


def test_nothing_runs_on_a_dead_instance(cloud: Cloud, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = (
        f"#!/bin/sh\nsleep 1000 &\necho $! > {pid_file}.new; mv {pid_file}.new {pid_file}; wait\n"
    )
    instance_id = launch(cloud, script)
    wait_for(pid_file.exists)
    cloud.post(f"/_instance/{instance_id}/die", {})
    wait_for(lambda: not Path(f"/proc/{pid_file.read_text().strip()}").exists())
    assert state(cloud, instance_id) == "running"
    cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])
