"""Processes that the local cloud starts: each in a group of its own, all of them ended with it."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

GRACE_SECONDS = 3.0


class ProcessGroup:
    """A started process and whatever it starts in turn."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen

    @property
    def running(self) -> bool:
        """Whether the process itself is alive."""
        return self._popen.poll() is None

    def wait(self, timeout_seconds: float | None = None) -> int | None:
        """The exit code as a shell gives it (128 + signal), or None when the time is over."""
        try:
            code = self._popen.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None
        return code if code >= 0 else 128 - code

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the whole group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, number)

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """SIGTERM, and SIGKILL to what is left after the grace."""
        self.signal(signal.SIGTERM)
        self.wait(grace_seconds)
        self.signal(signal.SIGKILL)
        self.wait()


class Processes:
    """Starts processes, and knows which are still there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: list[ProcessGroup] = []
        self._closed = False

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        directory: Path | None = None,
    ) -> ProcessGroup:
        """Starts a command in a process group of its own; its output is appended to `log`.

        # Errors
        OSError when the program cannot be started, or when everything is being stopped.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            if self._closed:
                raise OSError("the local cloud is stopping")
            with log.open("ab") as output:
                popen = subprocess.Popen(
                    command,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=directory,
                    start_new_session=True,
                )
            group = ProcessGroup(popen)
            self._groups = [known for known in self._groups if known.running]
            self._groups.append(group)
        return group

    def stop_all(self) -> None:
        """Ends every group: politely, together, then for certain."""
        with self._lock:
            self._closed = True
            groups = list(self._groups)
        for group in groups:
            group.signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        for group in groups:
            group.wait(max(0.0, deadline - time.monotonic()))
        for group in groups:
            group.signal(signal.SIGKILL)
