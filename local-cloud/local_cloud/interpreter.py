"""Step Functions: moto's interpreter, mended where the definition needs it.

The definition is JSONPath with Lambda tasks, task tokens, Choice, Wait, Pass and SNS, so only that
part is looked after.
"""

import datetime
import uuid
from collections.abc import Callable
from typing import Any

from moto.core.config import default_user_config
from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.retry.retry_outcome import RetryOutcome
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_sns,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (  # noqa: E501
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.callback.callback import HeartbeatTimeoutError
from moto.stepfunctions.parser.backend import execution as execution_module
from moto.stepfunctions.parser.backend.execution import Execution
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

from . import events
from .aws import client
from .overrides import replaces, wraps

HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"


def install(endpoint: str) -> None:
    """Lets state machines run, calling services at `endpoint`."""
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    for module in (lambda_eval_utils, state_task_service_sns):
        _use_shared_clients(module, endpoint)
    _name_heartbeat_timeouts()
    _give_new_tries_new_tokens()
    _keep_task_failure_causes()
    _name_executions()
    _write_start_times_as_text()
    _stop_executions()
    _report_status_changes()


def _use_shared_clients(module: Any, endpoint: str) -> None:
    # moto builds a client for every call, which is slow, and asks `localhost`, which may be ::1.
    @replaces(module, "boto_client_for")
    def boto_client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        del region, state_credentials
        return client(service, endpoint)


def _name_heartbeat_timeouts() -> None:
    # moto reports a missed heartbeat as States.Timeout, and so the wrong Retry is taken.
    @wraps(StateTaskServiceCallback, "_from_error")
    def from_error(
        moto_from_error: Callable[..., FailureEvent], self: Any, env: Any, ex: Exception
    ) -> FailureEvent:
        if not isinstance(ex, HeartbeatTimeoutError):
            return moto_from_error(self, env=env, ex=ex)
        failure = self._get_timed_out_failure_event(env)
        failure.error_name = StatesErrorName(typ=StatesErrorNameType.StatesHeartbeatTimeout)
        failure.event_details["taskTimedOutEventDetails"]["error"] = HEARTBEAT_TIMEOUT
        return failure  # type: ignore[no-any-return]


def _give_new_tries_new_tokens() -> None:
    # moto keeps the token of the first try, whose late report would then end the second one.
    @wraps(ExecutionState, "_handle_retry")
    def handle_retry(
        moto_handle: Callable[..., RetryOutcome],
        self: Any,
        env: Any,
        failure_event: FailureEvent,
    ) -> RetryOutcome:
        outcome = moto_handle(self, env=env, failure_event=failure_event)
        context = env.states.context_object
        task = context.context_object_data.get("Task")
        if outcome == RetryOutcome.CanRetry and task:
            env.callback_pool_manager._pool.pop(task["Token"], None)
            env.callback_pool_manager.add(context.update_task_token())
        return outcome


def _keep_task_failure_causes() -> None:
    @replaces(StepFunctionResponse, "send_task_failure")
    def send_task_failure(self: Any) -> Any:
        self.stepfunction_backend.send_task_failure(
            self._get_param("taskToken"),
            error=self._get_param("error"),
            cause=self._get_param("cause"),
        )
        return EmptyResult()


def _name_executions() -> None:
    # Without a name, every execution would have the same ARN.
    @wraps(StepFunctionsParserBackend, "start_execution")
    def start_execution(
        moto_start: Callable[..., Execution],
        self: StepFunctionsParserBackend,
        state_machine_arn: str,
        name: str | None = None,
        execution_input: str | None = None,
        trace_header: str | None = None,
    ) -> Execution:
        return moto_start(
            self, state_machine_arn, name or str(uuid.uuid4()), execution_input, trace_header
        )


def _write_start_times_as_text() -> None:
    # `$$.Execution.StartTime` is text, and a Task cannot be given anything else.
    @wraps(Execution, "get_start_execution_details")
    def get_start_execution_details(moto_get: Callable[..., Any], self: Execution) -> Any:
        details = moto_get(self)
        details.start_time = _iso(details.start_time)
        return details


def _stop_executions() -> None:
    # moto forgets error and cause, and leaves an execution that waits for a token RUNNING.
    @replaces(StepFunctionResponse, "stop_execution")
    def stop_execution(self: Any) -> Any:
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        execution.stop(
            stop_date=_now(), error=self._get_param("error"), cause=self._get_param("cause")
        )
        return ActionResult({"stopDate": execution.stop_date})

    @wraps(Execution, "stop")
    def stop(
        moto_stop: Callable[..., None],
        self: Execution,
        stop_date: datetime.datetime,
        error: str | None,
        cause: str | None,
    ) -> None:
        if self.exec_status != ExecutionStatus.RUNNING:
            return
        moto_stop(self, stop_date=stop_date, error=error, cause=cause)
        self.stop_date = stop_date
        self.error, self.cause = error, cause
        _end(self, ExecutionStatus.ABORTED)
        env = self.exec_worker.env if self.exec_worker else None
        if env is not None:
            for waiting in list(env.callback_pool_manager._pool.values()):
                waiting.interrupt_all()

    worker = execution_module.BaseExecutionWorkerCommunication

    @wraps(worker, "_reflect_execution_status")
    def reflect_execution_status(moto_reflect: Callable[..., None], self: Any) -> None:
        execution: Execution = self.execution
        if execution.exec_status == ExecutionStatus.ABORTED:
            return
        moto_reflect(self)
        _end(execution, execution.exec_status)

    # A timed-out execution has a stop date as well.
    @wraps(StepFunctionResponse, "describe_execution")
    def describe_execution(moto_describe: Callable[..., Any], self: Any) -> Any:
        result = moto_describe(self)
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        if execution.stop_date is not None and execution.exec_status != ExecutionStatus.RUNNING:
            result._result["stopDate"] = execution.stop_date
        return result


def _report_status_changes() -> None:
    @wraps(Execution, "start")
    def start(moto_start: Callable[..., None], self: Execution) -> None:
        moto_start(self)
        events.publish(_status_change(self))


def _end(execution: Execution, status: Any) -> None:
    execution.exec_status = status
    events.publish(_status_change(execution))


def _status_change(execution: Execution) -> dict[str, Any]:
    described = execution.to_describe_output()
    detail = {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine.arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": _epoch_ms(execution.start_date),
        "stopDate": _epoch_ms(execution.stop_date),
        "input": described["input"],
        "output": described.get("output"),
        "error": execution.error,
        "cause": execution.cause,
    }
    return events.event_of(
        "Step Functions Execution Status Change", "aws.states", [execution.exec_arn], detail
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _iso(time: datetime.datetime) -> str:
    return time.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _epoch_ms(time: datetime.datetime | None) -> int | None:
    return None if time is None else int(time.timestamp() * 1000)
