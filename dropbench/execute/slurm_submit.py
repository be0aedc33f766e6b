"""Hands tasks to submitit: reads what is to be submitted from standard input, as JSON, and writes their ids to standard output.

It is a process of its own since submitit's local tasks are in the session of whoever submits them, where Ctrl-C reaches them.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from dropbench.execute.slurm_task import Task
from dropbench.process import alive

_REQUEUES = 1000
"""How often a task may use up its time: a study that needs more than one night is what this is for."""
_WARNED_S = 90
"""How long before its end a task is told: by then all of it has to be saved."""


def submit(asked: dict[str, Any]) -> dict[str, Any]:
    """Submits tasks. asked: `cluster`, `folder` and `logs` of the job, `where`, `parameters`, and the `commands`, one a task.

    Returns the `tasks` by id and, where they are processes of this machine, their `keepers`.
    """
    import submitit

    executor = submitit.AutoExecutor(
        asked["logs"], cluster=asked["cluster"], slurm_max_num_timeout=_REQUEUES, local_max_num_timeout=_REQUEUES
    )
    executor.update_parameters(slurm_signal_delay_s=_WARNED_S, **asked["parameters"])
    with executor.batch():
        tasks = [executor.submit(Task(words, asked["where"], asked["folder"])) for words in asked["commands"]]
    ids = [task.job_id for task in tasks]
    keepers = [alive.of(int(number)) for number in ids] if asked["cluster"] == "local" else []
    return {"tasks": ids, "keepers": [keeper.as_dict() if keeper else None for keeper in keepers]}


if __name__ == "__main__":
    print(json.dumps(submit(json.load(sys.stdin))))
