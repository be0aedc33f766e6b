"""Follows a sweep that runs elsewhere: shows how far its plan is, and the table so far, until it is done."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from dropbench.errors import UsageError
from dropbench.report.output.terminal import Screen, show
from dropbench.report.tables.report import Report
from dropbench.store import FINISHED, RUNS, Record, Store, StoredPlan


@dataclass(frozen=True)
class Standing:
    """How far a plan has come, in runs.

    Parameters
    ----------
    ended, failed, total : int
        How many runs have ended, how many of these failed, and how many there are.
    left, idle : float or None
        Estimated seconds to its end, and seconds since the last run ended; None if unknown.
    more : bool
        Whether further runs may follow, depending on the results of these.
    """

    ended: int
    failed: int
    total: int
    left: float | None
    idle: float | None
    more: bool = False

    @property
    def complete(self) -> bool:
        """Whether all of its runs have ended, and no more will come."""
        return self.ended == self.total and not self.more

    @property
    def counted(self) -> str:
        """How many runs have ended and failed, without times."""
        return f"{self.ended} of {self.total} runs have ended" + (f", {self.failed} failed" if self.failed else "")

    def __str__(self) -> str:
        parts = [self.counted]
        if not self.complete:
            if self.idle is not None:
                parts.append(f"the last {_clock(self.idle)} ago")
            unknown = "more may follow, depending on these" if self.ended == self.total else "time left not known yet"
            parts.append(unknown if not self.left else f"about {_clock(self.left)} left")
        return "; ".join(parts)


def standing(roots: Sequence[Path], studies: Sequence[str], now: datetime) -> Standing | None:
    """Return how far the newest incomplete plan is, else the newest plan; None if no plan (of these studies) lists its runs."""
    standings = [
        (plan, standing_of(plan, Store(root), now))
        for root in roots
        for plan in Store(root).plans()
        if plan.trained and (not studies or plan.study in studies)
    ]
    ranked = sorted(standings, key=lambda pair: (not pair[1].complete, pair[0].created))
    return ranked[-1][1] if ranked else None


def watch(
    build: Callable[[], Report],
    paths: Sequence[Path],
    studies: Sequence[str],
    every: float,
    console: Console,
    aside: Console,
) -> None:
    """Show the report of `build` again every `every` seconds, until the plan is complete or Ctrl-C; then show it in full.

    On a terminal the table is redrawn in place; elsewhere a line is printed when another run has ended. Both are not results
    and go to `aside`; the full report at the end goes to `console`. Raises UsageError if nothing is stored and no plan lists
    runs that are still to come.
    """
    roots = list(dict.fromkeys(p if os.path.isdir(p / RUNS) else p.parent.parent for p in paths))
    screen = Screen(aside)
    report: Report | None = None
    with suppress(KeyboardInterrupt), screen.open():
        while True:
            # Read the plan before the runs: a run that ends in between is then in the table, and the next look is the last.
            progress = standing(roots, studies, datetime.now(UTC))
            complete = progress is not None and progress.complete
            try:
                report, mistake = build(), ""
            except UsageError as error:
                if progress is None or complete:
                    raise
                mistake = str(error)
            line = str(progress or "no plan here says how many runs there will be; Ctrl-C ends this")
            screen.update(line, mistake if report is None else report)
            if complete:
                break
            time.sleep(every)
    if report is not None:
        show(report, console)


def standing_of(plan: StoredPlan, store: Store, now: datetime) -> Standing:
    """Return how far one plan is; the plan must list its runs."""
    began = _time(plan.created)
    runs = plan.trained
    ends: list[datetime] = []
    ended = failed = 0
    for record in filter(None, map(store.find, runs)):
        if not isinstance(record, Record):
            continue
        start = _time(record.started)
        end = start + timedelta(seconds=record.seconds) if start is not None else None
        fresh = began is not None and end is not None and end >= began
        if record.status in FINISHED or fresh:  # a run that failed in an earlier attempt is tried again
            ended += 1
            failed += record.status not in FINISHED
        if fresh and end is not None:
            ends.append(end)
    left = None
    if began is not None and ends:
        left = (now - began).total_seconds() / len(ends) * (len(runs) - ended)
    idle = max(0.0, (now - max(ends)).total_seconds()) if ends else None
    return Standing(ended, failed, len(runs), left, idle, plan.course is not None and not plan.course.ended)


def _time(text: str) -> datetime | None:
    """Parse a time; UTC is assumed if it names no zone. None if it is not a time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _clock(seconds: float) -> str:
    """Format seconds as in `0:03:20`."""
    return str(timedelta(seconds=round(seconds)))
