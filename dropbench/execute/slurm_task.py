"""What a task of a Slurm cluster does: a command of dropbench. It runs on nodes, under submitit, and imports no torch."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from dropbench.store import jobs

_GRACE_S = 60.0
"""For a command to save what it trains and to end."""
_TRIES = 3
"""Of a command that something killed; the next one goes on from its checkpoints."""
_LOOK_S = 0.5


class Task:
    """One command of dropbench, which claims cohorts of the job's plans and trains them.

    Parameters
    ----------
    words : list of str
        The command.
    where : str
        The folder in which it is typed.
    folder : str
        The job's.
    """

    def __init__(self, words: list[str], where: str, folder: str) -> None:
        self.words, self.where, self.folder = words, where, folder
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        """Carries the command out and returns its exit code."""
        code: int | None = None
        for _ in range(_TRIES):
            # The other end of its input closes with this process, whatever ends that.
            with subprocess.Popen(self.words, cwd=self.where, stdin=subprocess.PIPE) as self._process:
                while (code := self._process.poll()) is None:
                    time.sleep(_LOOK_S)
            if code >= 0:
                break
        if code == 128 + signal.SIGTERM and not jobs.is_to_stop(Path(self.folder)):
            time.sleep(_GRACE_S)  # Slurm ends this task; what submitit does about it comes by a signal of its own
        return 1 if code is None else code

    def checkpoint(self) -> Any:
        """Has the command save what it trains and end; what submitit is to queue again, or None where the job is to stop."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return (
            None if jobs.is_to_stop(Path(self.folder)) else DelayedSubmission(Task(self.words, self.where, self.folder))
        )

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_process": None}
