"""AWS Batch jobs as processes of the local worker.

moto keeps queues, definitions and jobs; what runs, is retried, timed out or terminated is decided
here. Children of an array wait for one of the machine's slots, as on a compute environment.
"""

import copy
import datetime
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.batch.exceptions import ClientException
from moto.batch.models import JOB_NAME_REGEX, BatchBackend, Job
from moto.batch_simple.models import BatchSimpleBackend

from .overrides import hold_still, replaces, wraps
from .processes import Processes, ProcessGroup

ARRAY_SIZES = range(2, 10_001)
KILL_AFTER_TERM_SECONDS = 30.0
TIMEOUT_REASON = "Job attempt duration exceeded timeout"
EXIT_REASON = "Essential container in task exited"
DEFAULT_LOG_GROUP = "/aws/batch/job"


@dataclass(frozen=True)
class Attempt:
    """How one attempt of a job ended, in the words that evaluateOnExit compares."""

    exit_code: int | None
    status_reason: str
    reason: str = ""


def glob_matches(pattern: str, text: str) -> bool:
    """Batch knows one wildcard: a `*` at the end. Case does not count."""
    pattern, text = pattern.lower(), text.lower()
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == text


def wants_retry(rules: Sequence[Mapping[str, str]], attempt: Attempt) -> bool:
    """The action of the first rule whose conditions all hold; when none does, RETRY."""
    facts = {
        "onStatusReason": attempt.status_reason,
        "onReason": attempt.reason,
        "onExitCode": "" if attempt.exit_code is None else str(attempt.exit_code),
    }
    for rule in rules:
        conditions = [(fact, rule[name]) for name, fact in facts.items() if name in rule]
        if all(glob_matches(pattern, fact) for fact, pattern in conditions):
            return rule["action"].upper() == "RETRY"
    return True


class Runner:
    """Runs jobs in a fixed number of slots."""

    def __init__(
        self,
        processes: Processes,
        environment: Mapping[str, str],
        image_command: Sequence[str],
        slots: int,
        logs: Path,
    ) -> None:
        self._processes = processes
        self._environment = environment
        self._image_command = image_command
        self._logs = logs
        self._waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._running: dict[str, ProcessGroup] = {}
        self._lock = threading.Lock()
        for number in range(slots):
            threading.Thread(target=self._serve, name=f"batch-{number}", daemon=True).start()

    def submit(self, job: Job) -> None:
        """Puts a job, or a child of an array, in the line."""
        job.status = "RUNNABLE"
        self._waiting.put(job)

    def terminate(self, job: Job, reason: str) -> None:
        """Ends a job wherever it is; a terminated job is not retried."""
        with self._lock:
            if job.job_stopped:
                return
            job.stop = True
            job.job_stopped_reason = reason
            process = self._running.get(job.job_id)
            if process is None:
                _finish(job, succeeded=False)
                return
        threading.Thread(target=process.stop, args=(KILL_AFTER_TERM_SECONDS,), daemon=True).start()

    def _serve(self) -> None:
        while True:
            job = self._waiting.get()
            if not job.job_stopped:
                self._run(job)

    def _run(self, job: Job) -> None:
        strategy = job.job_definition.retry_strategy or {}
        attempts = int(strategy.get("attempts", 1))
        rules: Sequence[Mapping[str, str]] = strategy.get("evaluateOnExit", ())  # type: ignore[assignment]
        for number in range(1, attempts + 1):
            attempt = self._attempt(job, number)
            timed_out = attempt.status_reason == TIMEOUT_REASON
            if attempt.exit_code == 0 or job.stop or timed_out or not wants_retry(rules, attempt):
                break
            if number < attempts:
                job.status = "RUNNABLE"
        with self._lock:
            job.exit_code = attempt.exit_code
            job.job_stopped_reason = job.job_stopped_reason or attempt.status_reason
            _finish(job, succeeded=attempt.exit_code == 0 and not job.stop and not timed_out)

    def _attempt(self, job: Job, number: int) -> Attempt:
        log = self._logs / f"{job.job_id.replace(':', '-')}.log"
        log_start = log.stat().st_size if log.exists() else 0
        started = datetime.datetime.now()
        command, environment = container_of(job)
        environment["AWS_BATCH_JOB_ATTEMPT"] = str(number)
        with self._lock:
            if job.stop:
                return Attempt(None, job.job_stopped_reason or "")
            try:
                process = self._processes.start(
                    [*self._image_command, *command], {**self._environment, **environment}, log
                )
            except OSError as error:
                return Attempt(None, "Task failed to start", f"CannotStartContainerError: {error}")
            self._running[job.job_id] = process
            job.job_started_at = started
            job.log_stream_name = log_stream_of(job)
            job.status = "RUNNING"
        exit_code = process.wait(job._get_attempt_duration())
        reason = EXIT_REASON
        if exit_code is None:
            reason = TIMEOUT_REASON
            process.stop(KILL_AFTER_TERM_SECONDS)
            exit_code = process.wait()
        with self._lock:
            del self._running[job.job_id]
        process.signal(signal.SIGKILL)
        attempt = Attempt(exit_code, reason)
        _record(job, attempt, started)
        _send_log(job, log, log_start)
        return attempt


def container_of(job: Job) -> tuple[list[str], dict[str, str]]:
    """The command line and the environment of a job's container."""
    properties = job.job_definition.container_properties or {}
    overridden = job.container_overrides
    command = overridden.get("command") or properties.get("command") or []
    declared = [*properties.get("environment", []), *overridden.get("environment", [])]
    environment = {entry["name"]: str(entry["value"]) for entry in declared}
    environment |= {
        "AWS_BATCH_JOB_ID": job.job_id,
        "AWS_BATCH_JQ_NAME": job.job_queue.name,
        "AWS_BATCH_CE_NAME": job.job_queue.environments[0].name,
    }
    if "index" in job.array_properties:
        environment["AWS_BATCH_JOB_ARRAY_INDEX"] = str(job.array_properties["index"])
        environment["AWS_BATCH_JOB_ARRAY_SIZE"] = str(job.array_properties["size"])
    return job._add_parameters_to_command(list(command)), environment


def log_options_of(job: Job) -> Mapping[str, str]:
    """The awslogs options of the job definition; CloudFormation's keys may have been re-cased."""
    properties = job.job_definition.container_properties or {}
    options: Mapping[str, str] = properties.get("logConfiguration", {}).get("options", {})
    return options


def log_stream_of(job: Job) -> str:
    """The name of the job's log stream; it may hold no colon."""
    prefix = log_options_of(job).get("awslogs-stream-prefix", job.job_definition.name)
    return f"{prefix}/default/{job.job_id.replace(':', '-')}"


def _record(job: Job, attempt: Attempt, started: datetime.datetime) -> None:
    job.attempts.append(
        {
            "container": {
                "exitCode": attempt.exit_code,
                "logStreamName": job.log_stream_name,
                "reason": attempt.reason,
            },
            "startedAt": int(started.timestamp() * 1000),
            "stoppedAt": int(time.time() * 1000),
            "statusReason": attempt.status_reason,
        }
    )


def _send_log(job: Job, log: Path, start: int) -> None:
    with log.open("rb") as lines:
        lines.seek(start)
        messages = lines.read().decode(errors="replace").splitlines()
    if not messages:
        return
    group, stream = log_options_of(job).get("awslogs-group", DEFAULT_LOG_GROUP), log_stream_of(job)
    now = int(time.time() * 1000)
    logs = job._log_backend
    logs.ensure_log_group(group)
    logs.ensure_log_stream(group, stream)
    logs.put_log_events(group, stream, [{"timestamp": now, "message": line} for line in messages])


def _finish(job: Job, *, succeeded: bool) -> None:
    job.job_stopped_at = datetime.datetime.now()
    job.job_stopped = True
    job.status = "SUCCEEDED" if succeeded else "FAILED"


def children_of(job: Job) -> Sequence[Job]:
    """The children of an array job, none for any other."""
    return job._child_jobs or ()


def install(runner: Runner) -> None:
    """Lets `runner` run what is submitted to moto's Batch."""
    hold_still("batch::job")

    @replaces(BatchSimpleBackend, "submit_job")
    def submit_job(
        self: BatchSimpleBackend,
        job_name: str,
        job_def_id: str,
        job_queue: str,
        array_properties: dict[str, Any],
        container_overrides: dict[str, Any] | None = None,
        **options: Any,
    ) -> tuple[str, str, str]:
        backend = self.backend
        definition = backend.get_job_definition(job_def_id)
        job_line = backend.get_job_queue(job_queue)
        size = (array_properties or {}).get("size")
        if JOB_NAME_REGEX.match(job_name) is None:
            raise ClientException("Job name should match valid pattern")
        if definition is None:
            raise ClientException(f"Job definition {job_def_id} does not exist")
        if job_line is None:
            raise ClientException(f"Job queue {job_queue} does not exist")
        if size is not None and size not in ARRAY_SIZES:
            raise ClientException("Array Job size should be between 2 and 10,000")

        def make(properties: dict[str, Any], job_id: str | None = None) -> Job:
            job = Job(
                job_name,
                definition,
                job_line,
                backend,
                log_backend=backend.logs_backend,
                container_overrides=copy.deepcopy(container_overrides),
                all_jobs=backend._jobs,
                array_properties=properties,
                provided_job_id=job_id,
                **{**_JOB_DEFAULTS, **options},
            )
            job.status = "SUBMITTED"
            backend._jobs[job.job_id] = job
            return job

        job = make({} if size is None else {"size": size})
        if size is None:
            runner.submit(job)
        else:
            job._child_jobs = [
                make({"size": size, "index": index}, f"{job.job_id}:{index}")
                for index in range(size)
            ]
            job.status = "PENDING"
            threading.Thread(target=_watch_array, args=(job,), daemon=True).start()
            for child in job._child_jobs:
                runner.submit(child)
        return job_name, job.job_id, job.arn

    @replaces(BatchBackend, "terminate_job")
    def terminate_job(self: BatchBackend, job_id: str, reason: str) -> None:
        job = self.get_job_by_id(job_id)
        if job is None:
            return
        for each in children_of(job) or [job]:
            runner.terminate(each, reason)

    @replaces(BatchBackend, "cancel_job")
    def cancel_job(self: BatchBackend, job_id: str, reason: str) -> None:
        job = self.get_job_by_id(job_id)
        for each in (children_of(job) or [job]) if job else ():
            if each.status in ("SUBMITTED", "PENDING", "RUNNABLE"):
                runner.terminate(each, reason)

    @wraps(BatchBackend, "list_jobs")
    def list_jobs(
        moto_list_jobs: Callable[..., list[Job]],
        self: BatchBackend,
        job_queue_name: str | None,
        array_job_id: str | None,
        job_status: str | None = None,
        filters: list[dict[str, Any]] | None = None,
    ) -> list[Job]:
        if job_status is None and not filters:
            job_status = "RUNNING"
        jobs = moto_list_jobs(self, job_queue_name, array_job_id, job_status, filters or None)
        # A queue lists its array jobs, and only an array its children.
        return [job for job in jobs if array_job_id or ":" not in job.job_id]

    @wraps(Job, "describe_short")
    def describe_short(moto_describe: Callable[..., dict[str, Any]], self: Job) -> dict[str, Any]:
        summary = moto_describe(self)
        if self.array_properties:
            summary["arrayProperties"] = dict(self.array_properties)
        return summary

    @wraps(Job, "_get_container_property")
    def get_container_property(
        moto_get: Callable[..., Any], self: Job, name: str, default: Any
    ) -> Any:
        if name != "environment":
            return moto_get(self, name, default)
        return [{"name": key, "value": value} for key, value in container_of(self)[1].items()]


_JOB_DEFAULTS: Mapping[str, Any] = {
    "eks_properties_override": None,
    "depends_on": None,
    "timeout": None,
    "parameters": None,
    "tags": None,
}


def _watch_array(job: Job) -> None:
    children = children_of(job)
    while not all(child.job_stopped for child in children):
        time.sleep(0.05)
    failed = sum(child.status == "FAILED" for child in children)
    if failed:
        job.job_stopped_reason = job.job_stopped_reason or "Array Child Job failed"
    _finish(job, succeeded=failed == 0)
