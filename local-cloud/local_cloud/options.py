"""The command line of `python -m local_cloud`."""

import argparse
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What was asked for, with every path absolute."""

    template: Path
    state: Path
    binaries: Path
    image_command: Sequence[str]
    port: int
    parameters: dict[str, str]
    wait_seconds: int | None
    heartbeat_seconds: int | None
    answer_seconds: int | None
    batch_slots: int
    deliveries: int
    gbif_bucket: str | None


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Reads the command line; ends the process with code 2 when it is not right."""
    parser = argparse.ArgumentParser(
        prog="python -m local_cloud",
        description="Deploys a SAM template on this machine and runs it until it is stopped "
        "(SIGTERM, SIGINT, or the end of a piped standard input). When all is ready, one JSON "
        "line on standard output says where.",
    )
    add = parser.add_argument
    add("--template", type=Path, required=True, help="the SAM template")
    add("--state", type=Path, required=True, help="folder for logs and notifications")
    add("--binaries", type=Path, required=True, help="folder of the function binaries")
    add("--image-command", help="what runs for a container image (default: BINARIES/bisonflow)")
    add("--port", type=int, default=0, help="port to listen on (default: a free one)")
    add(
        "--parameter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a parameter of the template; may be repeated",
    )
    add(
        "--wait-seconds",
        type=int,
        metavar="N",
        help="cap Wait states and pauses before retries at N seconds",
    )
    add(
        "--heartbeat-seconds",
        type=int,
        metavar="N",
        help="cap how long a task may be silent at N seconds",
    )
    add(
        "--answer-seconds",
        type=int,
        metavar="N",
        help="cap how long a task waits for a person's answer at N seconds",
    )
    add(
        "--batch-slots",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="Batch jobs that run at the same time (default: the number of processors)",
    )
    add(
        "--duplicate-events",
        action="store_true",
        help="deliver every event twice, as at-least-once delivery may",
    )
    add("--gbif-bucket", metavar="NAME", help="create a bucket that stands for GBIF's open data")
    given = parser.parse_args(arguments)
    parameters = {}
    for text in given.parameter:
        name, separator, value = text.partition("=")
        if not separator:
            parser.error(f"--parameter {text}: expected KEY=VALUE")
        parameters[name] = value
    if given.gbif_bucket:
        parameters.setdefault("GbifBucket", given.gbif_bucket)
    if given.batch_slots < 1:
        parser.error("--batch-slots: at least 1")
    image_command = given.image_command or str(given.binaries / "bisonflow")
    program = shutil.which(image_command)
    if program is None:
        parser.error(f"--image-command {image_command}: no such program")
    return Options(
        template=given.template.absolute(),
        state=given.state.absolute(),
        binaries=given.binaries.absolute(),
        image_command=[os.path.abspath(program)],
        port=given.port,
        parameters=parameters,
        wait_seconds=given.wait_seconds,
        heartbeat_seconds=given.heartbeat_seconds,
        answer_seconds=given.answer_seconds,
        batch_slots=given.batch_slots,
        deliveries=2 if given.duplicate_events else 1,
        gbif_bucket=given.gbif_bucket,
    )
