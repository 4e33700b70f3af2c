"""EventBridge: uploads start executions, ended executions are told."""

import json
import re
from pathlib import Path
from typing import Any

from conftest import Cloud, start_cloud, stop_cloud, wait_for


def inputs_for(cloud: Cloud, key: str) -> list[dict[str, Any]]:
    stepfunctions = cloud.client("stepfunctions")
    listed = stepfunctions.list_executions(stateMachineArn=cloud.ready["state_machine_arn"])
    inputs = [
        json.loads(stepfunctions.describe_execution(executionArn=each["executionArn"])["input"])
        for each in listed["executions"]
    ]
    return [each for each in inputs if each.get("detail", {}).get("object", {}).get("key") == key]


def test_an_upload_starts_one_execution_with_the_event_of_eventbridge(cloud: Cloud) -> None:
    key = "uploads/a file+1.zip"
    put = cloud.client("s3").put_object(Bucket=cloud.bucket, Key=key, Body=b"12345")
    event = wait_for(lambda: inputs_for(cloud, key))[0]
    assert (event["source"], event["detail-type"]) == ("aws.s3", "Object Created")
    assert (event["account"], event["region"]) == ("123456789012", "us-east-1")
    assert event["resources"] == [f"arn:aws:s3:::{cloud.bucket}"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["time"])
    detail = event["detail"]
    assert detail["reason"] == "PutObject"
    assert detail["bucket"] == {"name": cloud.bucket}
    sequencer = detail["object"].pop("sequencer")
    assert re.fullmatch(r"[0-9A-F]{18}", sequencer)
    assert detail["object"] == {
        "key": key,
        "size": 5,
        "etag": put["ETag"].strip('"'),
        "version-id": put["VersionId"],
    }
    assert len(inputs_for(cloud, key)) == 1


def test_events_have_ids_of_their_own(cloud: Cloud) -> None:
    key = "uploads/twice.zip"
    for _ in range(2):
        cloud.client("s3").put_object(Bucket=cloud.bucket, Key=key, Body=b"")
    first, second = wait_for(lambda: len(found := inputs_for(cloud, key)) == 2 and found)
    assert first["id"] != second["id"]


def test_a_multipart_upload_is_one_event(cloud: Cloud, tmp_path: Path) -> None:
    key = "uploads/large.zip"
    large = tmp_path / "large"
    large.write_bytes(b"x" * (17 << 20))
    cloud.client("s3").upload_file(str(large), cloud.bucket, key)
    (event,) = wait_for(lambda: inputs_for(cloud, key))
    assert event["detail"]["reason"] == "CompleteMultipartUpload"
    assert event["detail"]["object"]["etag"].endswith("-3")
    assert event["detail"]["object"]["size"] == 17 << 20


def test_a_copy_is_an_event(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.put_object(Bucket=cloud.bucket, Key="elsewhere/x", Body=b"x")
    s3.copy_object(
        Bucket=cloud.bucket,
        Key="uploads/copy.zip",
        CopySource={"Bucket": cloud.bucket, "Key": "elsewhere/x"},
    )
    (event,) = wait_for(lambda: inputs_for(cloud, "uploads/copy.zip"))
    assert event["detail"]["reason"] == "CopyObject"


def test_what_the_rule_does_not_match_starts_nothing(cloud: Cloud) -> None:
    cloud.client("s3").put_object(Bucket=cloud.bucket, Key="runs/uploads/x", Body=b"x")
    assert not inputs_for(cloud, "runs/uploads/x")


def test_an_aborted_execution_is_told_by_the_rule(cloud: Cloud) -> None:
    stepfunctions = cloud.client("stepfunctions")
    arn = stepfunctions.start_execution(
        stateMachineArn=cloud.ready["state_machine_arn"], name="to-be-stopped"
    )["executionArn"]
    stepfunctions.stop_execution(executionArn=arn)
    messages = wait_for(
        lambda: [n["message"] for n in cloud.notifications() if "to-be-stopped" in n["message"]]
    )
    assert messages == [f'"It ended as ABORTED."\n"Execution: {arn}"']


def test_events_can_be_delivered_twice(tmp_path: Path) -> None:
    cloud = start_cloud(tmp_path, "--duplicate-events", "--wait-seconds=0")
    try:
        cloud.client("s3").put_object(Bucket=cloud.bucket, Key="uploads/x.zip", Body=b"x")
        first, second = wait_for(
            lambda: len(found := inputs_for(cloud, "uploads/x.zip")) == 2 and found
        )
        assert first["id"] == second["id"]
    finally:
        stop_cloud(cloud)
