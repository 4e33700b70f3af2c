"""What an instance's user data uses of the AWS command line, at the emulated services."""

import argparse
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

import boto3


def copy_to_standard_output(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("aws s3 cp")
    parser.add_argument("--only-show-errors", action="store_true")
    parser.add_argument("--region")
    parser.add_argument("source")
    parser.add_argument("target", choices=["-"])
    options = parser.parse_args(arguments)
    uri = urlsplit(options.source)
    client = boto3.client("s3", region_name=options.region)
    body = client.get_object(Bucket=uri.netloc, Key=uri.path.removeprefix("/"))["Body"]
    sys.stdout.buffer.write(body.read())


def send_task_failure(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("aws stepfunctions send-task-failure")
    parser.add_argument("--region")
    parser.add_argument("--cli-input-json", required=True)
    options = parser.parse_args(arguments)
    request = json.loads(Path(urlsplit(options.cli_input_json).path).read_text())
    boto3.client("stepfunctions", region_name=options.region).send_task_failure(**request)


def main() -> None:
    service, command, *arguments = [*sys.argv[1:], "", ""][: max(len(sys.argv) - 1, 2)]
    match service, command:
        case "ecr", "get-login-password":
            print("local-password")
        case "s3", "cp":
            copy_to_standard_output(arguments)
        case "stepfunctions", "send-task-failure":
            send_task_failure(arguments)
        case _:
            print(f"aws shim: {service} {command} is not emulated", file=sys.stderr)
            sys.exit(252)


main()
