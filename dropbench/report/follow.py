"""Follows a sweep that is going on elsewhere: how far its plan is, and the table so far, until it is done."""

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
    failed : int
        Of those that ended.
    left, idle : float or None
        Seconds to its end, and since the last run ended; None where that is not known.
    more : bool
        Whether further runs may come, by what these find.
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
        """How many have ended, without what a clock is needed for."""
        return f"{self.ended} of {self.total} runs have ended" + (f", {self.failed} failed" if self.failed else "")

    def __str__(self) -> str:
        parts = [self.counted]
        if not self.complete:
            if self.idle is not None:
                parts.append(f"the last {_clock(self.idle)} ago")
            unknown = "more may come by what these find" if self.ended == self.total else "time left not known yet"
            parts.append(unknown if not self.left else f"about {_clock(self.left)} left")
        return "; ".join(parts)


def standing(roots: Sequence[Path], studies: Sequence[str], now: datetime) -> Standing | None:
    """Of the newest plan that is not complete, else of the newest. None where no plan (of these studies) says its runs."""
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
    """Shows what `build` reports, again every so many seconds, until the plan is complete or Ctrl-C; then all of it.

    On a terminal the table is redrawn in place, elsewhere a line is printed when another run has ended; both are no result and
    go to `aside`, and what is shown in the end to `console`. Raises UsageError
    where nothing is stored and no plan promises that there will be.
    """
    roots = list(dict.fromkeys(p if os.path.isdir(p / RUNS) else p.parent.parent for p in paths))
    screen = Screen(aside)
    report: Report | None = None
    with suppress(KeyboardInterrupt), screen.open():
        while True:
            # The plan before the runs: a run that ends in between is then in the table, and the next look is the last.
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
    """Of one plan that says its runs."""
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
        if record.status in FINISHED or fresh:  # what failed in an earlier attempt is being tried again
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
    """UTC where it does not say; None for what is no time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _clock(seconds: float) -> str:
    """`0:03:20`."""
    return str(timedelta(seconds=round(seconds)))
