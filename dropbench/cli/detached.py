"""`sweep --detach`: starts the command as a job, in a process of its own, and returns."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.cli.console import Shown
from dropbench.config.typed import command
from dropbench.errors import UsageError
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.cli.stages import Seen
    from dropbench.execute.shards import Shard
    from dropbench.planning.continuing import Course
    from dropbench.store.jobs import Job

_PATIENCE_S = 60.0
"""How long to wait until the process reports that it has started: a busy machine may take seconds to start Python."""
_LINES = 3


def again() -> list[str]:
    """Return the words of this command after `dropbench`, without --detach, for a job to run."""
    return [word for word in sys.argv[1:] if word != "--detach"]


def detach(courses: Sequence[Course], shown: Shown, *, force: bool, shard: Shard | None = None) -> int:
    """Start the command that was typed as a job, unless a job already trains its plans. Return the exit code, 0.

    Parameters
    ----------
    courses : sequence of Course
        The courses of the command, already checked.
    shown : Shown
        Prints what to type next.
    force : bool
        Whether finished runs are trained again.
    shard : Shard or None
        The part that it trains; None: all of it.

    Raises
    ------
    UsageError
        For a device or logger that is not here, a results folder that cannot be written, and a job that fails at once.
    """
    from dropbench.cli.jobs import going_on
    from dropbench.cli.stages import Seen, as_stored
    from dropbench.cli.work import arranged
    from dropbench.process import session
    from dropbench.store import Store, jobs

    arranged([], courses[0].first)  # only for the errors that it raises
    store = Store(courses[0].first.settings.results)
    store.check()
    if (there := going_on(store.root, [c.plan_id for c in courses])) is not None:
        tell(there.job, shown, f"job {there.job.name} trains this already")
        return 0
    seen = Seen(store, force)
    if not force and all(_is_over(course, seen) for course in courses):
        if shown.as_json:
            shown.json({"job": None, "results": str(store.root), "plans": [c.plan_id for c in courses], "log": None})
        shown.note(f"nothing is left to train; to see the report: {command('report', str(store.root))}")
        return 0
    began = datetime.now(UTC).isoformat(timespec="seconds")
    for course in courses:
        store.write_plan(as_stored(course, seen, began, over=False, shard=shard))
    job = jobs.new(
        store.root,
        called(courses),
        command=tuple(again()),
        where=os.getcwd(),
        plans=tuple(course.plan_id for course in courses),
        created=datetime.now(UTC).isoformat(),
        node=platform.node(),
    )
    words = [*session.python(), "-m", "dropbench.cli.job", str(job.folder), jobs.COMMAND, "--", *job.command]
    try:
        process = session.start(words, job.log)
    except OSError as error:
        raise UsageError(f"no process can be started: {error.strerror}; leave out --detach") from error
    until = time.monotonic() + _PATIENCE_S
    while process.poll() is None and jobs.COMMAND not in jobs.members(job.folder) and time.monotonic() < until:
        time.sleep(0.02)
    if process.poll():
        raise UsageError(f"job {job.name} has ended at once; {tail(job.log)}")
    runs = sum(len(course.first.specs) for course in courses)
    part = "" if shard is None else f"shard {shard} of "
    tell(
        job,
        shown,
        f"job {job.name}, process {process.pid}, trains {part}{count(runs, 'run')}; this terminal may be closed",
    )
    return 0


def called(courses: Sequence[Course]) -> str:
    """Return the name of a job for these courses, without its number."""
    return courses[0].first.study or "sweep"


def tail(log: Path) -> str:
    """Return the last lines of a log, as half a sentence."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
            lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return f"{log} ends with: {' / '.join(lines[-_LINES:])}" if lines else f"{log} is empty"


def _is_over(course: Course, seen: Seen) -> bool:
    """Return whether all runs of a course have ended."""
    return course.stages(seen.ended)[-1].done(seen.ended)


def tell(job: Job, shown: Shown, begin: str) -> None:
    """Print that a job is running, and what to type next."""
    root = job.folder.parent.parent
    if shown.as_json:
        shown.json({"job": job.name, "results": str(root), "plans": list(job.plans), "log": str(job.log)})
        return
    where = [] if str(root) == "results" else [str(root)]
    of = ["--results", *where] if where else []
    shown.note(f"{begin}. It writes to {job.log}")
    shown.note(f"  how far it is:  {command('runs', 'status', *where)}")
    shown.note(f"  its report:     {command('report', *where, '--watch')}")
    shown.note(f"  to stop it:     {command('runs', 'stop', job.name, *of)}")
