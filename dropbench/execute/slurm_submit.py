"""Submits tasks through submitit: reads them as JSON from standard input and writes their ids to standard output.

It runs as a separate process, because submitit's local tasks belong to the session that submits them, where Ctrl-C would reach
them.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from dropbench.execute.slurm_task import Task
from dropbench.process import alive

_REQUEUES = 1000
"""How often a task may reach its time limit and be queued again; studies that need more than one night rely on it."""
_WARNED_S = 90
"""How long before its time limit a task is warned; within this time it must save everything."""


def submit(asked: dict[str, Any]) -> dict[str, Any]:
    """Submits tasks and returns the ids of the `tasks` and, if they run on this machine, their `keepers` (processes).

    asked: `cluster`, `folder` and `logs` of the job, `where`, `parameters`, and `commands`, one per task.
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
