"""A command of dropbench as a job: it says which process it is, ends when word is left for it, and says how it ended.

`python -m dropbench.cli.job FOLDER MEMBER [--with-parent] -- sweep ...`; with `--with-parent` it ends once its standard input
does, so that it outlives nobody who holds the other end.
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
    """Carries a command out, and returns its exit code."""
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
    """Has this process asked to stop, as by a batch system, once something has happened."""

    def look() -> None:
        over = threading.Event()
        while not over.wait(_LOOK_S):
            if happened():
                os.kill(os.getpid(), signal.SIGTERM)
                return

    threading.Thread(target=look, name="job", daemon=True).start()


def _end_with_input() -> None:
    """Reads what nobody writes, until its end."""
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
