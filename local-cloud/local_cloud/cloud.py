"""Puts the parts together: one server, one stack, and the processes behind it."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import moto
from moto.core.config import default_user_config

from . import (
    batch,
    buckets,
    catalog,
    crawler,
    events,
    instances,
    interpreter,
    notifications,
    resources,
)
from .aws import REGION, client, process_environment
from .deploy import Stack, check_binaries, deploy, functions_of
from .functions import INVOKE_PREFIX, RUNTIME_PREFIX, Functions
from .options import Options
from .overrides import TESTED_MOTO
from .processes import Processes
from .server import Server
from .template import Pace, Template


class LocalCloud:
    """The whole emulated account, from its start to its stop."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._processes = Processes()
        self._template = Template.read(options.template)
        self._binaries = check_binaries(self._template, options.binaries)

    def start(self) -> dict[str, Any]:
        """Serves, deploys, and says what a client needs to know.

        # Errors
        TemplateError when the template cannot be deployed.
        """
        options = self._options
        if moto.__version__ != TESTED_MOTO:
            print(f"moto is {moto.__version__}, tested was {TESTED_MOTO}", file=sys.stderr)
        options.state.mkdir(parents=True, exist_ok=True)
        logs = options.state / "logs"
        server = Server(options.port)
        endpoint = server.endpoint
        environment = process_environment(endpoint)
        functions = Functions(self._processes, environment, endpoint, logs / "functions")
        machines = instances.Machines(
            self._processes, environment, shlex.join(options.image_command), endpoint, options.state
        )
        runner = batch.Runner(
            self._processes, environment, options.image_command, options.batch_slots, logs / "jobs"
        )
        _install_overrides(options, endpoint, machines, runner, logs)
        server.route(RUNTIME_PREFIX, functions.serve_runtime)
        server.route(INVOKE_PREFIX, functions.serve_invoke)
        server.route(instances.INSTANCE_PREFIX, machines.serve)
        server.start()
        if options.gbif_bucket:
            client("s3", endpoint).create_bucket(Bucket=options.gbif_bucket)
        pace = Pace(options.wait_seconds, options.heartbeat_seconds, options.answer_seconds)
        stack = deploy(self._template, endpoint, options.parameters, pace)
        for spec in functions_of(stack, self._binaries):
            functions.deploy(spec)
        ready = _description(endpoint, stack)
        (options.state / "ready.json").write_text(json.dumps(ready, indent=2) + "\n")
        return ready

    def stop(self) -> None:
        """Ends every process that was started."""
        self._processes.stop_all()


def _install_overrides(
    options: Options,
    endpoint: str,
    machines: instances.Machines,
    runner: batch.Runner,
    logs: Path,
) -> None:
    for service in ("batch", "lambda"):
        default_user_config[service] = {"use_docker": False}
    # The code of a function is not in S3.
    os.environ["VALIDATE_LAMBDA_S3"] = "false"
    interpreter.install(endpoint)
    events.install(options.deliveries)
    buckets.install()
    resources.install()
    catalog.install()
    crawler.install(endpoint, logs / "crawls")
    batch.install(runner)
    instances.install(machines)
    notifications.install(options.state / "notifications.jsonl")


def _description(endpoint: str, stack: Stack) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "region": REGION,
        "state_machine_arn": stack.first("AWS::StepFunctions::StateMachine"),
        "bucket": stack.first("AWS::S3::Bucket"),
        "topic_arn": stack.first("AWS::SNS::Topic"),
        "outputs": dict(stack.outputs),
    }
