"""Jobs: commands that go on without a terminal, who carries them out, and how that ended.

    results/jobs/<name>/job.json       what was asked for
    results/jobs/<name>/<member>.json  a process that carries it out: the command, or a task of an array
    results/jobs/<name>/log            what the command says; tasks have a log each
    results/jobs/<name>/stop           asks all of them to save what is in training and to end

Whoever looks is told which process it is and on which machine; clocks and process numbers of other machines are compared by
nobody. A job is stopped by a file that its own processes look for, never by a signal to a number that somebody wrote down.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from dropbench.errors import UsageError
from dropbench.process import alive
from dropbench.store import files, safely

JOBS = "jobs"
COMMAND = "command"
"""The member that is the command itself."""
_JOB, _STOP = "job.json", "stop"
_LONGEST = 1 << 20
_MOST_OF_A_NAME = 1000


@dataclass(frozen=True)
class Job:
    """What was asked for.

    Parameters
    ----------
    folder : Path
        Its place, `results/jobs/<name>`.
    command : tuple of str
        The words after `dropbench`.
    where : str
        The folder in which it was typed.
    plans : tuple of str
        The ids of the plans that it carries out.
    created : str
        When, ISO 8601, UTC; for people.
    node : str
        The machine on which it was typed.
    cluster : str or None
        "slurm" or "local" where it is an array of tasks; None where it is one process.
    tasks : tuple of str
        The ids of these, as the cluster has them, in order.
    keepers : tuple of Process or None
        With "local", the process that looks after each task.
    """

    folder: Path
    command: tuple[str, ...]
    where: str
    plans: tuple[str, ...]
    created: str
    node: str
    cluster: str | None = None
    tasks: tuple[str, ...] = ()
    keepers: tuple[alive.Process | None, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """What it is called: by the study, or `sweep`, and a number."""
        return self.folder.name

    @property
    def log(self) -> Path:
        """Where its output is: a file, of an array the folder of its tasks' files."""
        return self.folder / ("log" if self.cluster is None else "tasks")


@dataclass(frozen=True)
class Member:
    """A process that carries a job out. process: None where its system does not tell. code: of its end, None before that."""

    process: alive.Process | None
    node: str
    code: int | None = None


def new(results: Path, called: str, **asked: Any) -> Job:
    """Makes a job's folder, under the first number that is free. asked: as `Job` has it. Raises UsageError where it cannot."""
    stem = "".join(c if c.isalnum() or c in "_-" else "-" for c in called)[:80]
    try:
        (results / JOBS).mkdir(parents=True, exist_ok=True)
        for number in range(1, _MOST_OF_A_NAME):
            folder = results / JOBS / f"{stem}-{number}"
            with suppress(FileExistsError):
                folder.mkdir()
                return keep(Job(folder=folder, **asked))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UsageError(f"cannot write results into {results}: {why}; choose another folder: results=DIR") from error
    raise UsageError(f"{results / JOBS} holds {_MOST_OF_A_NAME} jobs called {stem}; remove those that have ended")


def keep(job: Job) -> Job:
    """Writes or replaces what was asked for, in one step for readers; returns it."""
    tree = asdict(replace(job, keepers=()))
    tree["keepers"] = [keeper.as_dict() if keeper else None for keeper in job.keepers]
    del tree["folder"]
    files.write_file(job.folder / _JOB, _json(tree))
    return job


def jobs(results: Path) -> list[Job]:
    """Those of a results folder that can be read, oldest first."""
    found = [job for folder in files.visible(results / JOBS) if (job := read(folder)) is not None]
    return sorted(found, key=lambda job: (job.created, job.name))


def read(folder: Path) -> Job | None:
    """One job; None where there is none that can be read."""
    tree = _tree(folder / _JOB)
    try:
        texts = {key: tuple(map(str, tree[key])) for key in ("command", "plans", "tasks")}
        keepers = tuple(map(alive.read, tree["keepers"]))
        cluster = None if tree["cluster"] is None else str(tree["cluster"])
        told = {key: str(tree[key]) for key in ("where", "created", "node")}
    except (KeyError, TypeError):
        return None
    return Job(folder=folder, cluster=cluster, keepers=keepers, **texts, **told)  # type: ignore[arg-type]


def begin(folder: Path, member: str, node: str) -> None:
    """Says that this process carries a job out, as one of its members."""
    _write(folder, member, Member(alive.this(), node))


def end(folder: Path, member: str, code: int) -> None:
    """Says how this process has ended."""
    known = members(folder).get(member)
    if known is not None:
        _write(folder, member, replace(known, code=code))


def members(folder: Path) -> dict[str, Member]:
    """Who has begun to carry a job out, by name."""
    found = {}
    for path in files.visible(folder):
        if path.suffix == ".json" and path.name != _JOB:
            tree = _tree(path)
            with suppress(KeyError, TypeError, ValueError):
                code = None if tree["code"] is None else int(tree["code"])
                found[path.stem] = Member(alive.read(tree["process"]), str(tree["node"]), code)
    return found


def ask_to_stop(job: Job) -> None:
    """Leaves word for all who carry it out. Raises UsageError where nothing can be written."""
    try:
        files.write_file(job.folder / _STOP, b"")
    except OSError as error:
        raise UsageError(f"{job.folder} cannot be written: {error.strerror}; ask on the machine that trains") from error


def is_to_stop(folder: Path) -> bool:
    """Whether word was left in a job's folder."""
    return (folder / _STOP).exists()


def _write(folder: Path, member: str, who: Member) -> None:
    tree = {"process": who.process.as_dict() if who.process else None, "node": who.node, "code": who.code}
    files.write_file(folder / f"{member}.json", _json(tree))


def _json(tree: dict[str, Any]) -> bytes:
    return (json.dumps(tree, indent=1) + "\n").encode(errors="backslashreplace")


def _tree(path: Path) -> dict[str, Any]:
    """What lies there as JSON; empty where it cannot be read."""
    try:
        tree = json.loads(safely.content(path, _LONGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}
