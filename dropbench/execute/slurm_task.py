"""A task of a Slurm cluster, which runs a dropbench command. It runs on nodes under submitit and does not import torch."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from dropbench.store import jobs

_GRACE_S = 60.0
"""The time that a command gets to save what it trains and to end."""
_TRIES = 3
"""The number of attempts if a command is killed; each next one continues from the checkpoints."""
_LOOK_S = 0.5


class Task:
    """One dropbench command, which claims cohorts of the job's plans and trains them.

    Parameters
    ----------
    words : list of str
        The words of the command.
    where : str
        The working directory of the command.
    folder : str
        The job's folder.
    """

    def __init__(self, words: list[str], where: str, folder: str) -> None:
        self.words, self.where, self.folder = words, where, folder
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        """Runs the command and returns its exit code."""
        code: int | None = None
        for _ in range(_TRIES):
            # The command's input is a pipe that closes when this process ends, for whatever reason.
            with subprocess.Popen(self.words, cwd=self.where, stdin=subprocess.PIPE) as self._process:
                while (code := self._process.poll()) is None:
                    time.sleep(_LOOK_S)
            if code >= 0:
                break
        if code == 128 + signal.SIGTERM and not jobs.is_to_stop(Path(self.folder)):
            time.sleep(_GRACE_S)  # Slurm is ending this task; submitit then acts on a separate signal
        return 1 if code is None else code

    def checkpoint(self) -> Any:
        """Ends the command after it has saved its runs; returns what submitit queues again, or None if the job is to stop."""
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
