"""Lambda functions as processes: a pool of instances each, and the Runtime API that they speak.

An instance is a real function binary that asks `…/invocation/next` and answers `…/response` or
`…/error`. Instances are kept warm and reused; a call that finds none idle starts another.
"""

import json
import queue
import signal
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from .aws import ACCOUNT, REGION
from .processes import Processes, ProcessGroup
from .server import Reply, Request

RUNTIME_PREFIX = "/_runtime/"
INVOKE_PREFIX = "/2015-03-31/functions/"


@dataclass(frozen=True)
class FunctionSpec:
    """A deployed function."""

    logical_id: str
    name: str
    binary: Path
    environment: Mapping[str, str]
    timeout_seconds: float
    memory_mb: int

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"


@dataclass
class Outcome:
    """What a function answered; `error_kind` is the value of X-Amz-Function-Error."""

    payload: bytes
    error_kind: str | None = None


@dataclass
class Invocation:
    """A call that an instance is working on."""

    payload: bytes
    deadline_ms: int
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    done: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome | None = None

    def finish(self, outcome: Outcome) -> None:
        """The first outcome counts."""
        if self.outcome is None:
            self.outcome = outcome
            self.done.set()


class Instance:
    """One process of a function; it works on one invocation at a time."""

    def __init__(self, start: Callable[["Instance"], ProcessGroup]) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.inbox: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self.current: Invocation | None = None
        self.init_error: bytes | None = None
        self.process = start(self)
        threading.Thread(target=self._watch, name=f"function-{self.id}", daemon=True).start()

    def _watch(self) -> None:
        code = self.process.wait()
        self.inbox.put(None)
        if self.current is not None:
            self.current.finish(self._exit_outcome(self.current, code))

    def _exit_outcome(self, invocation: Invocation, code: int | None) -> Outcome:
        if self.init_error is not None:
            return Outcome(self.init_error, "Unhandled")
        status = f"signal: {code - 128}" if code and code > 128 else f"exit status {code}"
        return failure(
            "Runtime.ExitError",
            f"RequestId: {invocation.request_id} Error: Runtime exited with error: {status}",
        )

    def run(self, invocation: Invocation, timeout_seconds: float) -> Outcome:
        """Hands the invocation over and waits; a process that is too slow is killed."""
        self.current = invocation
        if not self.process.running:
            invocation.finish(self._exit_outcome(invocation, self.process.wait()))
        self.inbox.put(invocation)
        if not invocation.done.wait(timeout_seconds):
            invocation.finish(
                failure(
                    "Sandbox.Timedout",
                    f"RequestId: {invocation.request_id} "
                    f"Error: Task timed out after {timeout_seconds:.2f} seconds",
                )
            )
            self.process.signal(signal.SIGKILL)
            self.process.wait()
        self.current = None
        assert invocation.outcome is not None
        return invocation.outcome


def failure(error_type: str, message: str) -> Outcome:
    """An outcome in the form in which Lambda reports an error."""
    body = json.dumps({"errorType": error_type, "errorMessage": message})
    return Outcome(body.encode(), "Unhandled")


class Pool:
    """The instances of one function."""

    def __init__(self, spec: FunctionSpec, start: Callable[[Instance], ProcessGroup]) -> None:
        self.spec = spec
        self.instances: dict[str, Instance] = {}
        self._start = start
        self._idle: list[Instance] = []
        self._lock = threading.Lock()

    def invoke(self, payload: bytes) -> Outcome:
        """Runs one invocation in a warm instance if there is one."""
        try:
            instance = self._take()
        except OSError as error:
            return failure("Runtime.InvalidEntrypoint", f"{self.spec.binary}: {error}")
        timeout = self.spec.timeout_seconds
        outcome = instance.run(
            Invocation(payload, deadline_ms=int((time.time() + timeout) * 1000)), timeout
        )
        with self._lock:
            self._idle.append(instance)
        return outcome

    def _take(self) -> Instance:
        with self._lock:
            while self._idle:
                instance = self._idle.pop()
                if instance.process.running:
                    return instance
                self.instances.pop(instance.id, None)
        return Instance(self._start)


class Functions:
    """All deployed functions, the calls to them and the Runtime API below `RUNTIME_PREFIX`."""

    def __init__(
        self, processes: Processes, environment: Mapping[str, str], endpoint: str, logs: Path
    ) -> None:
        self._processes = processes
        self._environment = environment
        self._endpoint = endpoint
        self._logs = logs
        self._pools: dict[str, Pool] = {}

    def deploy(self, spec: FunctionSpec) -> None:
        """Makes a function callable; its first instance starts with the first call."""
        pool = Pool(spec, lambda instance: self._start(pool, instance))
        self._pools[spec.name] = pool

    def _start(self, pool: Pool, instance: Instance) -> ProcessGroup:
        spec = pool.spec
        pool.instances[instance.id] = instance
        environment = {
            **self._environment,
            **spec.environment,
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": instance.id,
            "AWS_LAMBDA_RUNTIME_API": f"{self._endpoint}{RUNTIME_PREFIX}{spec.name}/{instance.id}",
        }
        log = self._logs / f"{spec.logical_id}.log"
        return self._processes.start([str(spec.binary)], environment, log)

    def invoke(self, name_or_arn: str, payload: bytes) -> Outcome | None:
        """Calls a function by name, ARN or partial ARN; None when there is no such function."""
        name = name_or_arn.rpartition("function:")[2].split(":")[0]
        pool = self._pools.get(name)
        return pool.invoke(payload) if pool else None

    def serve_invoke(self, request: Request) -> Reply:
        """The Invoke call of the Lambda service."""
        name = unquote(request.path[len(INVOKE_PREFIX) :].split("/")[0])
        if request.header("X-Amz-Invocation-Type") == "Event":
            payload = request.body
            threading.Thread(target=self.invoke, args=(name, payload), daemon=True).start()
            return Reply(202, b"", {"x-amzn-RequestId": str(uuid.uuid4())})
        outcome = self.invoke(name, request.body)
        headers = {"x-amzn-RequestId": str(uuid.uuid4()), "Content-Type": "application/json"}
        if outcome is None:
            body = json.dumps({"Type": "User", "Message": f"Function not found: {name}"}).encode()
            return Reply(404, body, {**headers, "x-amzn-ErrorType": "ResourceNotFoundException"})
        headers["X-Amz-Executed-Version"] = "$LATEST"
        if outcome.error_kind is not None:
            headers["X-Amz-Function-Error"] = outcome.error_kind
        return Reply(200, outcome.payload, headers)

    def serve_runtime(self, request: Request) -> Reply:
        """The Runtime API, one base path per instance: `/_runtime/NAME/INSTANCE/2018-06-01/…`."""
        name, instance_id, _version, *rest = request.path[len(RUNTIME_PREFIX) :].split("/")
        pool = self._pools.get(name)
        instance = pool.instances.get(instance_id) if pool else None
        if pool is None or instance is None:
            return Reply(404, b"no such instance")
        match rest:
            case ["runtime", "invocation", "next"]:
                return self._next(pool.spec, instance)
            case ["runtime", "invocation", request_id, "response" | "error" as kind]:
                invocation = instance.current
                if invocation is None or invocation.request_id != request_id:
                    return Reply(400, b"not the current invocation")
                error_kind = "Unhandled" if kind == "error" else None
                invocation.finish(Outcome(request.body, error_kind))
                return Reply(202)
            case ["runtime", "init", "error"]:
                instance.init_error = request.body
                return Reply(202)
        return Reply(404, b"not a path of the Runtime API")

    @staticmethod
    def _next(spec: FunctionSpec, instance: Instance) -> Reply:
        invocation = instance.inbox.get()
        if invocation is None:
            return Reply(410)
        return Reply(
            200,
            invocation.payload,
            {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": spec.arn,
            },
        )
