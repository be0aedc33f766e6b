"""`dropbench runs status` and `runs stop`: how far plans are, who trains them, and what to type to continue or stop them."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.cli.console import Shown
from dropbench.cli.detached import tail
from dropbench.cli.found import results_folder
from dropbench.cli.jobs import State, member_of, states
from dropbench.config.paths import path_setting
from dropbench.config.typed import command
from dropbench.errors import UsageError, listed, nearest
from dropbench.store.training import Trainer, at_work
from dropbench.values import count, plain

if TYPE_CHECKING:
    from dropbench.report.follow import Standing
    from dropbench.store import Skipped, StoredPlan
    from dropbench.store.jobs import Job

_NAMED = 4
"""The most single runs that are named."""
_PATIENCE_S = 90.0
"""Seconds to wait for a job to save its runs and end: workers have 30 s, and a job that is planning may be reading data."""


@dataclass(frozen=True)
class _Plan:
    """A plan, how far it is, and who trains it: jobs, and other commands with the number of its runs that each has."""

    plan: StoredPlan
    standing: Standing
    jobs: list[State]
    others: list[tuple[Trainer, int]] = field(default_factory=list)

    @property
    def trained(self) -> bool:
        return bool(self.others) or any(state.alive for state in self.jobs)


def status(folders: Sequence[Path], *, as_json: bool, quiet: bool) -> int:
    """Print the state of each incomplete plan and of each job. Return the exit code, 0.

    Raises UsageError for a folder that is not a results folder.
    """
    shown = Shown(quiet, as_json)
    told = [(root, *_look(root)) for root in map(results_folder, folders)]
    if as_json:
        shown.json([_as_tree(*one) for one in told])
    elif not quiet:
        for one in told:
            for line in _lines(*one):
                shown.out(plain(line))
    return 0


def stop(names: Sequence[str], results: Path, *, everything: bool, as_json: bool, quiet: bool) -> int:
    """Ask jobs to save what they train and to end, and wait for that. Return the exit code: 1 if one has not ended.

    Parameters
    ----------
    names : sequence of str
        The names of the jobs; empty for the only running one.
    results : Path
        Their results folder.
    everything : bool
        Whether to stop all running jobs.

    Raises
    ------
    UsageError
        For an unknown name, and if several jobs run but none is named and `everything` is False.
    """
    from dropbench.store import jobs

    shown, root = Shown(quiet, as_json), results_folder(results)
    asked = _asked_for(names, root, everything)
    for state in asked:
        jobs.ask_to_stop(state.job)
        if state.job.cluster is not None:
            from dropbench.execute.slurm import cancel_waiting

            cancel_waiting(state.job)
    left = {state.job.name for state in asked}
    if asked and not as_json:
        shown.note(f"asked {', '.join(sorted(left))} to save what is in training and to end")
    until = time.monotonic() + _PATIENCE_S
    while left and time.monotonic() < until:
        time.sleep(0.2)
        left &= {state.job.name for state in states(root) if state.alive}
    _tell_stopped(asked, left, root, shown)
    return 1 if left else 0


def _asked_for(names: Sequence[str], root: Path, everything: bool) -> list[State]:
    known = {state.job.name: state for state in states(root)}
    going = [state for state in known.values() if state.alive or state.out_of_sight]
    for name in names:
        if name not in known:
            raise UsageError(
                f"{name}: {root} has no job of this name; {nearest(name, known)}; dropbench runs status lists them"
            )
    if names:
        return [known[name] for name in names if known[name] in going]
    if len(going) > 1 and not everything:
        raise UsageError(
            f"{len(going)} jobs are running ({', '.join(s.job.name for s in going)}): name the ones to stop, or type --all"
        )
    return going


def _tell_stopped(asked: Sequence[State], left: set[str], root: Path, shown: Shown) -> None:
    if shown.as_json:
        shown.json({"asked": [s.job.name for s in asked], "going_on": sorted(left)})
        return
    if not asked:
        shown.note(f"no job of {root} is running")
    for state in asked:
        if state.job.name in left:
            shown.warning(f"{state.job.name} has not ended yet; dropbench runs status shows when it has")
        else:
            shown.note(f"{state.job.name} has ended; to continue: {_again(state.job)}")


@dataclass(frozen=True)
class _Single:
    """Runs of no plan that is listed: those that other commands train, with how many, and those that were saved."""

    training: list[tuple[Trainer, int]]
    saved: list[str]


def _look(root: Path) -> tuple[list[_Plan], list[State], _Single]:
    """Return the plans that are not complete, oldest first, all jobs, and the runs besides, as of `dropbench train`."""
    from dropbench.report.follow import standing_of
    from dropbench.store import Store
    from dropbench.store.checkpoints import WORK, Checkpoints

    store, now = Store(root), datetime.now(UTC)
    working = at_work(root)
    several = states(root, lambda: working)
    plans = []
    for plan in store.plans():
        standing = standing_of(plan, store, now) if plan.trained else None
        if standing is not None and not standing.complete:
            of_it = [state for state in several if plan.plan_id in state.job.plans]
            plans.append(_Plan(plan, standing, of_it, _others(plan, working, several)))
    planned = {run for one in plans for run in one.plan.trained}
    training = [(t, n) for t in working if (n := len(set(t.runs) - planned))]
    claimed = {run for t in working for run in t.runs}
    saved = {run for header in Checkpoints(root, WORK).headers() for run in header.runs}
    return plans, several, _Single(training, sorted(saved - planned - claimed))


def _others(plan: StoredPlan, working: Sequence[Trainer], several: Sequence[State]) -> list[tuple[Trainer, int]]:
    """Return the commands that train runs of a plan and are not jobs, each with the number of these runs."""
    of_jobs = [member.process for state in several for member in _members(state.job)]
    runs = set(plan.trained)
    return [(t, n) for t in working if t.process not in of_jobs and (n := len(runs & set(t.runs)))]


def _members(job: Job) -> list[Any]:
    from dropbench.store import jobs

    return list(jobs.members(job.folder).values())


def _lines(root: Path, plans: Sequence[_Plan], several: Sequence[State], single: _Single) -> list[str]:
    """Return the lines that a terminal shows for a folder."""
    unread = len(_unread(root))
    lines = [f"{root}: {count(unread, 'plan')} cannot be read; dropbench runs verify says why"] if unread else []
    for one in plans:
        called = one.plan.study or "sweep"
        told = str(one.standing) if one.trained else one.standing.counted
        lines.append(f"{called} (plan {one.plan.plan_id}): {told}")
        live = [state for state in one.jobs if state.alive]
        lines += [f"  job {state.job.name} {state.said}; it writes to {state.job.log}" for state in live]
        lines += [f"  {count(n, 'run')} in training by {trainer.where}" for trainer, n in one.others]
        if not one.trained:
            lines += _to_go_on(root, one)
    named = {state.job.name for one in plans for state in one.jobs}
    lines += [f"job {s.job.name} {s.said}" for s in several if s.job.name not in named and (s.alive or _is_news(s))]
    lines += [f"{count(n, 'single run')} in training by {trainer.where}" for trainer, n in single.training]
    if single.saved:
        which = f"{count(len(single.saved), 'single run')} ({listed(single.saved, _NAMED)})"
        lines.append(f"{which} saved in the middle of training; run the command that trained it again to continue")
    if not lines:
        lines.append(f"{root}: nothing is in training, and every plan is complete")
    return lines


def _unread(root: Path) -> list[Skipped]:
    """Return the plans that cannot be read, of which nothing is known."""
    from dropbench.store import Store

    return Store(root).unread_plans()


def _is_news(state: State) -> bool:
    return "died" in state.said


def _to_go_on(root: Path, one: _Plan) -> list[str]:
    """Return lines on why nobody trains a plan, and what to type."""
    if not one.jobs:
        typed = _typed(root, one.plan) or "run the same command again"
        if one.plan.shard:
            return [f"  of it shard {one.plan.shard} is trained here, now by nobody; to continue this part: {typed}"]
        return [f"  nobody trains it; to continue: {typed}"]
    last = one.jobs[-1]
    lines = [f"  job {last.job.name} {last.said}"]
    if last.job.cluster is None and (member := member_of(last.job)) is not None and member.code not in (0, 143):
        lines.append(f"  {tail(last.job.log)}")
    return [*lines, f"  to continue: {_again(last.job)}"]


def _again(job: Job) -> str:
    """Return the command that starts a job again, in the folder in which it was first typed."""
    words = [*job.command, "--detach"]
    there = "" if job.where == os.getcwd() else f"cd {shlex.quote(job.where)} && "
    return there + (_line(words) or "the same command")


def _typed(root: Path, plan: StoredPlan) -> str | None:
    """Return the command that makes a plan, as far as it is stored; the user's own folders of options are not stored."""
    if plan.course is not None and plan.course.rule.confirms:
        return _line(["report", str(root), "--confirm"])
    # The folder may have been copied or moved since the plan was typed.
    typed = [text for text in plan.overrides if not text.startswith("results=")]
    typed += [] if str(root) == "results" else [path_setting("results", root)]
    part = ["--shard", plan.shard] if plan.shard else []
    return _line(["sweep", *typed, *(plan.course.rule.options if plan.course else []), *part])


def _line(words: Sequence[str]) -> str | None:
    with suppress(UsageError):
        return command(*words)
    return None


def _as_tree(root: Path, plans: Sequence[_Plan], several: Sequence[State], single: _Single) -> dict[str, Any]:
    """Return the state of a folder for JSON."""
    return {
        "results": str(root),
        "plans": [
            {
                "plan_id": one.plan.plan_id,
                "study": one.plan.study,
                "ended": one.standing.ended,
                "failed": one.standing.failed,
                "total": one.standing.total,
                "more_may_come": one.standing.more,
                "seconds_left": one.standing.left if one.trained else None,
                "trained": one.trained,
                "jobs": [state.job.name for state in one.jobs],
                "others": _commands(one.others),
                "shard": one.plan.shard,
                "command": _again(one.jobs[-1].job) if one.jobs else _typed(root, one.plan),
            }
            for one in plans
        ],
        "single": {"training": _commands(single.training), "saved": single.saved},
        "unreadable": [str(plan.path) for plan in _unread(root)],
        "jobs": [_job_tree(state) for state in several],
    }


def _commands(trainers: Sequence[tuple[Trainer, int]]) -> list[dict[str, Any]]:
    return [{"node": t.process.node if t.process else None, "runs": n} for t, n in trainers]


def _job_tree(state: State) -> dict[str, Any]:
    member = member_of(state.job)
    return {
        "name": state.job.name,
        "alive": state.alive,
        "said": state.said,
        "tasks": state.tasks,
        "node": state.job.node,
        "pid": member.process.pid if member is not None and member.process is not None else None,
        "exit_code": None if member is None else member.code,
        "plans": list(state.job.plans),
        "command": list(state.job.command),
        "log": str(state.job.log),
        "created": state.job.created,
    }
