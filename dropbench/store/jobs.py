"""Jobs: commands that continue without a terminal, the processes that execute them, and how these ended.

    results/jobs/<name>/job.json       what was asked for
    results/jobs/<name>/<member>.json  a process that executes it: the command, or a task of an array
    results/jobs/<name>/log            the output of the command; tasks have a log each
    results/jobs/<name>/stop           asks all of them to save the runs in training and to end

Each process states its process id and its machine; clocks and process ids of different machines are never compared. A job is
stopped by a file that its own processes look for, never by a signal to a process id read from a file.
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
"""The name of the member that is the command itself."""
_JOB, _STOP = "job.json", "stop"
_LONGEST = 1 << 20
_MOST_OF_A_NAME = 1000


@dataclass(frozen=True)
class Job:
    """A job: what was asked for.

    Parameters
    ----------
    folder : Path
        Its folder, `results/jobs/<name>`.
    command : tuple of str
        The words after `dropbench`.
    where : str
        The folder in which it was typed.
    plans : tuple of str
        The ids of the plans that it executes.
    created : str
        When it was created, ISO 8601, UTC; for people to read.
    node : str
        The machine on which it was typed.
    cluster : str or None
        "slurm" or "local" if it is an array of tasks; None if it is one process.
    tasks : tuple of str
        The tasks' ids in the cluster, in order.
    keepers : tuple of Process or None
        With "local", the process that watches each task.
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
        """Its name: the study's name or `sweep`, and a number."""
        return self.folder.name

    @property
    def log(self) -> Path:
        """The path of its output: a file or, for an array, the folder of its tasks' files."""
        return self.folder / ("log" if self.cluster is None else "tasks")


@dataclass(frozen=True)
class Member:
    """A process that executes a job. process: None if its system does not say. code: its exit code, None before its end."""

    process: alive.Process | None
    node: str
    code: int | None = None


def new(results: Path, called: str, **asked: Any) -> Job:
    """Creates a job's folder, with the first free number. asked: fields of `Job`. Raises UsageError if that is impossible."""
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
    """Writes or replaces a job's file, in one step for readers, and returns the job."""
    tree = asdict(replace(job, keepers=()))
    tree["keepers"] = [keeper.as_dict() if keeper else None for keeper in job.keepers]
    del tree["folder"]
    files.write_file(job.folder / _JOB, _json(tree))
    return job


def jobs(results: Path) -> list[Job]:
    """Returns the readable jobs of a results folder, oldest first."""
    found = [job for folder in files.visible(results / JOBS) if (job := read(folder)) is not None]
    return sorted(found, key=lambda job: (job.created, job.name))


def read(folder: Path) -> Job | None:
    """Returns one job, or None if it cannot be read."""
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
    """Records that this process executes a job as one of its members."""
    _write(folder, member, Member(alive.this(), node))


def end(folder: Path, member: str, code: int) -> None:
    """Records the exit code of this process."""
    known = members(folder).get(member)
    if known is not None:
        _write(folder, member, replace(known, code=code))


def members(folder: Path) -> dict[str, Member]:
    """Returns the processes that have begun to execute a job, by member name."""
    found = {}
    for path in files.visible(folder):
        if path.suffix == ".json" and path.name != _JOB:
            tree = _tree(path)
            with suppress(KeyError, TypeError, ValueError):
                code = None if tree["code"] is None else int(tree["code"])
                found[path.stem] = Member(alive.read(tree["process"]), str(tree["node"]), code)
    return found


def ask_to_stop(job: Job) -> None:
    """Asks all processes that execute a job to stop. Raises UsageError if the request cannot be written."""
    try:
        files.write_file(job.folder / _STOP, b"")
    except OSError as error:
        raise UsageError(
            f"{job.folder} cannot be written: {error.strerror}; stop the job on the machine that trains it"
        ) from error


def is_to_stop(folder: Path) -> bool:
    """Returns whether a job was asked to stop."""
    return (folder / _STOP).exists()


def _write(folder: Path, member: str, who: Member) -> None:
    tree = {"process": who.process.as_dict() if who.process else None, "node": who.node, "code": who.code}
    files.write_file(folder / f"{member}.json", _json(tree))


def _json(tree: dict[str, Any]) -> bytes:
    return (json.dumps(tree, indent=1) + "\n").encode(errors="backslashreplace")


def _tree(path: Path) -> dict[str, Any]:
    """Returns the file's JSON object; empty if it cannot be read."""
    try:
        tree = json.loads(safely.content(path, _LONGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}
