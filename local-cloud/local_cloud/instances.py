"""EC2 instances as process groups that run their user data.

The user data finds commands of a machine image (`docker`, `shutdown`, …) as the scripts of the
folder `shims`, first in its PATH. The metadata service is served under `METADATA_PREFIX`.
"""

import datetime
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from moto.core.types import Base64EncodedString
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import Instance, InstanceBackend, Reservation

from .aws import REGION
from .overrides import wraps
from .processes import Processes, ProcessGroup
from .server import Reply, Request

SHIMS = Path(__file__).parent / "shims"
INSTANCE_PREFIX = "/_instance/"
SPOT_NOTICE_SECONDS = 120
POOLS = "pools"


@dataclass
class Machine:
    """What runs behind an instance."""

    instance: Instance
    process: ProcessGroup
    interruption_time: str | None = None


class Machines:
    """Boots instances, and answers what they and their processes ask."""

    def __init__(
        self,
        processes: Processes,
        environment: Mapping[str, str],
        image_command: str,
        endpoint: str,
        state: Path,
    ) -> None:
        self._processes = processes
        self._environment = environment
        self._image_command = image_command
        self._endpoint = endpoint
        self._state = state
        self._machines: dict[str, Machine] = {}
        self._without_capacity: set[str] = set()

    def boot(self, instance: Instance) -> None:
        """Runs the user data of an instance that has any."""
        script = decode_user_data(instance.user_data)
        if script is None:
            return
        directory = self._state / "instances" / instance.id
        directory.mkdir(parents=True)
        log = self._state / "logs" / "instances" / f"{instance.id}.log"
        if command := forbidden_command(script):
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(f"user data was not run: {command} would not be the shim\n")
            return
        path = directory / "user-data"
        path.write_bytes(script)
        path.chmod(0o700)
        service = f"{self._endpoint}{INSTANCE_PREFIX}{instance.id}"
        environment = {
            **self._environment,
            "PATH": f"{SHIMS}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": service,
            "LOCAL_CLOUD_SHIMS": str(SHIMS),
            "LOCAL_CLOUD_PYTHON": sys.executable,
            "LOCAL_CLOUD_INSTANCE": service,
            "LOCAL_CLOUD_IMAGE_COMMAND": self._image_command,
        }
        try:
            process = self._processes.start([str(path)], environment, log, directory)
        except OSError as error:
            log.write_text(f"user data was not run: {error}\n")
            return
        self._machines[instance.id] = Machine(instance, process)

    def terminate(self, instance_id: str) -> None:
        """Ends the processes of an instance."""
        if machine := self._machines.get(instance_id):
            threading.Thread(target=machine.process.stop, daemon=True).start()

    def has_capacity(self, instance_type: str, subnet_id: str, market: str) -> bool:
        """Whether a pool has an instance to give."""
        pools = {"*", instance_type, f"{instance_type} {subnet_id}", market}
        return not pools & self._without_capacity

    def serve(self, request: Request) -> Reply:
        """What an instance asks: its metadata, and to be switched off; and what is injected."""
        instance_id, _, path = request.path[len(INSTANCE_PREFIX) :].partition("/")
        if request.method == "POST" and instance_id == POOLS:
            self._without_capacity = set(json.loads(request.body)["without_capacity"])
            return Reply(202)
        machine = self._machines.get(instance_id)
        if machine is None:
            return Reply(404)
        if request.method == "POST" and path == "shutdown":
            self._shut_down(machine)
            return Reply(202)
        if request.method == "POST" and path == "interrupt":
            return self._interrupt(machine, request.body)
        if request.method == "POST" and path == "die":
            # The instance is said to run, but nothing on it does.
            machine.process.signal(signal.SIGKILL)
            return Reply(202)
        if request.method == "PUT" and path == "latest/api/token":
            ttl = {"x-aws-ec2-metadata-token-ttl-seconds": "21600"}
            return Reply(200, b"local-metadata-token", ttl)
        found = self._metadata(machine).get(unquote(path).removeprefix("latest/").rstrip("/"))
        return Reply(404) if found is None else Reply(200, found.encode())

    @staticmethod
    def _metadata(machine: Machine) -> dict[str, str | None]:
        instance = machine.instance
        zone = instance.availability_zone
        identity = {"instanceId": instance.id, "region": REGION, "availabilityZone": zone}
        notice = machine.interruption_time
        action = notice and json.dumps({"action": "terminate", "time": notice})
        return {
            "meta-data/instance-id": instance.id,
            "meta-data/instance-type": instance.instance_type,
            "meta-data/placement/region": REGION,
            "meta-data/placement/availability-zone": zone,
            "meta-data/instance-life-cycle": instance.lifecycle or "on-demand",
            "meta-data/spot/instance-action": action,
            "dynamic/instance-identity/document": json.dumps(identity),
        }

    def _shut_down(self, machine: Machine) -> None:
        if machine.instance.instance_initiated_shutdown_behavior == "terminate":
            machine.instance.terminate()
        else:
            machine.instance.stop()
            self.terminate(machine.instance.id)

    def _interrupt(self, machine: Machine, body: bytes) -> Reply:
        seconds = float(json.loads(body or b"{}").get("seconds", SPOT_NOTICE_SECONDS))
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
        machine.interruption_time = end.strftime("%Y-%m-%dT%H:%M:%SZ")
        timer = threading.Timer(seconds, machine.instance.terminate)
        timer.daemon = True
        timer.start()
        return Reply(202)


def decode_user_data(user_data: Any) -> bytes | None:
    """The script in an instance's user data."""
    if isinstance(user_data, list):
        user_data = user_data[0] if user_data else None
    if not user_data:
        return None
    if not isinstance(user_data, Base64EncodedString):
        user_data = Base64EncodedString(str(user_data))
    script: str = user_data.decode()
    return script.encode()


def forbidden_command(script: bytes) -> str | None:
    """A command by its path that would switch off this machine instead of the instance."""
    found = re.search(rb"\S*bin/(shutdown|poweroff|halt|reboot|init|telinit|mkfs\S*)\b", script)
    return found[0].decode(errors="replace") if found else None


def install(machines: Machines) -> None:
    """Lets RunInstances boot, and TerminateInstances end, what moto only writes down."""
    reservations: dict[str, Reservation] = {}
    lock = threading.Lock()

    @wraps(InstanceBackend, "run_instances")
    def run_instances(
        moto_run: Callable[..., Reservation],
        self: InstanceBackend,
        *args: Any,
        **options: Any,
    ) -> Reservation:
        # moto forgets the token, and gives "ABCDE" to those who have none.
        token = options.get("client_token")
        with lock:
            if token in reservations and token != "ABCDE":
                return reservations[token]
            _use_launch_template(self, options)
            _check_capacity(machines, options)
            reservation = moto_run(self, *args, **options)
            if token is not None:
                reservations[token] = reservation
        for instance in reservation.instances:
            machines.boot(instance)
        return reservation

    @wraps(Instance, "terminate")
    def terminate(moto_terminate: Callable[..., Any], self: Instance) -> Any:
        if self._state.name == "terminated":
            return moto_terminate(self)
        machines.terminate(self.id)
        return moto_terminate(self)


def _check_capacity(machines: Machines, options: Mapping[str, Any]) -> None:
    instance_type, subnet_id = str(options.get("instance_type")), str(options.get("subnet_id"))
    market = str(options.get("instance_market_options") or "on-demand")
    if not machines.has_capacity(instance_type, subnet_id, market):
        raise EC2ClientError(
            "InsufficientInstanceCapacity",
            f"There is no capacity for {market} {instance_type} in {subnet_id}.",
        )


def _use_launch_template(backend: InstanceBackend, options: dict[str, Any]) -> None:
    """The shutdown behaviour of the launch template, which moto leaves out."""
    if not options.get("launch_template"):
        return
    data = backend._get_template_from_args(options["launch_template"]).data
    behaviour = data.get("InstanceInitiatedShutdownBehavior")
    if behaviour and not options.get("instance_initiated_shutdown_behavior"):
        options["instance_initiated_shutdown_behavior"] = behaviour
