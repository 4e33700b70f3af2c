"""`python -m local_cloud`: one process that is the whole cloud."""

import json
import logging
import os
import signal
import stat
import sys
import threading
import time

from . import options as command_line
from .aws import REGION, without_caller_aws

POLL_SECONDS = 0.2


def main() -> int:
    """Starts, says so on standard output, and waits for the end."""
    options = command_line.parse()
    # Also this process must not know of a real account.
    environment = without_caller_aws(os.environ)
    os.environ.clear()
    os.environ.update(environment, AWS_DEFAULT_REGION=REGION, AWS_EC2_METADATA_DISABLED="true")
    # A list and a short sleep, not an Event: the system may hand the signal to any thread, which
    # does not wake a main thread that waits for a lock, and a handler must take none.
    reasons: list[str] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: reasons.append(signal.Signals(number).name))
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        threading.Thread(target=_watch_stdin, args=(reasons,), daemon=True).start()

    from .cloud import LocalCloud
    from .template import TemplateError

    options.state.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=options.state / "local-cloud.log",
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        cloud = LocalCloud(options)
    except (TemplateError, OSError) as error:
        print(f"local_cloud: {error}", file=sys.stderr)
        return 2
    try:
        print(json.dumps(cloud.start()), flush=True)
        while not reasons:
            time.sleep(POLL_SECONDS)
    except TemplateError as error:
        print(f"local_cloud: {error}", file=sys.stderr)
        return 2
    finally:
        cloud.stop()
    return 0


def _watch_stdin(reasons: list[str]) -> None:
    """A parent that is gone has closed the pipe."""
    while os.read(0, 4096):
        pass
    reasons.append("standard input was closed")


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Requests that still wait are of no interest to anybody.
    os._exit(code)
