"""Runs a dropbench command as a job: it records its process, stops when a stop file appears, and records its exit code.

`python -m dropbench.cli.job FOLDER MEMBER [--with-parent] -- sweep ...`; with `--with-parent` it stops when its standard input
ends, so that it does not outlive the process that holds the other end.
"""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from dropbench.process import signals

_LOOK_S = 1.0


def main(words: list[str]) -> int:
    """Run the command, and return its exit code."""
    from dropbench.cli.app import carried_out
    from dropbench.store import jobs

    mine, typed = words[: words.index("--")], words[words.index("--") + 1 :]
    folder, member = Path(mine[0]).resolve(), mine[1]
    jobs.begin(folder, member, platform.node())
    code = 1
    try:
        if jobs.is_to_stop(folder):
            code = 128 + signal.SIGTERM
        else:
            _watch(lambda: jobs.is_to_stop(folder))
            if "--with-parent" in mine:
                threading.Thread(target=_end_with_input, daemon=True).start()
            sys.argv = ["dropbench", *typed]
            code = carried_out()
    finally:
        jobs.end(folder, member, code)
    return code


def _watch(happened: Callable[[], bool]) -> None:
    """Start a thread that sends this process SIGTERM, as a batch system would, once `happened` returns True."""

    def look() -> None:
        over = threading.Event()
        while not over.wait(_LOOK_S):
            if happened():
                os.kill(os.getpid(), signal.SIGTERM)
                return

    threading.Thread(target=look, name="job", daemon=True).start()


def _end_with_input() -> None:
    """Read standard input, to which nobody writes, and send SIGTERM to this process when it ends."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    signals.settle()
    try:
        ended = main(sys.argv[1:])
    except KeyboardInterrupt:
        ended = signals.exit_code(130)
    os._exit(ended)
