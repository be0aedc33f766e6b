"""What it would take to settle an open question: how many seeds, how long they train, and what to type for that."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.interval import MIN_PAIRS
from dropbench.report.statistics.power import MOST
from dropbench.report.tables.facts import duration
from dropbench.values import count

_RESERVE = 1.25
"""How much longer than estimated the time is that is proposed."""
_CONTINUE = "run the same command again to continue"
_STOP = "stop here"


@dataclass(frozen=True)
class Budget:
    """The seeds that a command has for its comparison.

    Parameters
    ----------
    planned : int
        The most seeds that it trains if it is typed again and again as it is.
    left : bool
        Whether the time was over before all of these were trained, so that the same command would continue.
    most : int
        The most seeds that it would ever plan, with any amount of time.
    seconds : float
        How long the clock runs until all arms are trained under one more seed; NaN if it is not known.
    spent : float
        How many seconds it ran so far.
    """

    planned: int
    left: bool
    most: int
    seconds: float = math.nan
    spent: float = 0.0


@dataclass(frozen=True)
class Need:
    """says: what it would take, as a sentence without a capital and a full stop. next: what to type now, in a few words."""

    says: str
    next: str


def settles(told: Contrast, arm: str) -> str:
    """Return how many seeds would settle whether an arm helps, where that is known and not more than anyone trains."""
    return f"about {told.seeds_needed.even:,.0f} seeds in all would settle {arm} with an even chance"


def too_many() -> str:
    """Return that it would take more seeds than are looked for, and why."""
    why = "the variation between seeds and between test examples hides a difference of this size"
    return f"more than {MOST:,} seeds, since {why}"


def needed(told: Contrast, arm: str, budget: Budget) -> Need:
    """Return what would settle whether an arm helps, which may be few seeds, many, or more than anyone trains.

    Fewer than MIN_PAIRS seeds tell nothing of how many it takes, so of these only that is said.

    Parameters
    ----------
    told : Contrast
        The arm minus the baseline; its verdict is open.
    arm : str
        The arm's label.
    budget : Budget
        What the command that was typed has planned, and whether it would continue.
    """
    n, even = told.difference.n, told.seeds_needed.even
    if n < MIN_PAIRS:
        return _few(n, budget)
    if math.isnan(even):
        why = "runs diverged" if told.difference.diverged else "the spread of these scores is not known"
        return _open(f"how many seeds is not known, since {why}", n, budget)
    if math.isinf(even):
        return _hopeless(too_many(), n, budget)
    settle = settles(told, arm)
    if even > budget.most:
        return _hopeless(f"{settle}, more than the {budget.most} that this command trains at most", n, budget)
    seconds = (even - n) * budget.seconds
    settle += f", which takes about {duration(seconds)} more" if seconds > 0 else ""
    if budget.left and even <= budget.planned:
        return Need(f"{settle}. The time was over after {n} seeds; {_CONTINUE}", _CONTINUE)
    # What is planned comes first, and a larger comparison is only begun with twice its time (cli/advised_before.py).
    rest = max(0, budget.planned - n) * budget.seconds
    proposed = max(seconds, 3 * rest + 2 * budget.spent)
    such = f", such as --minutes {max(1, math.ceil(_RESERVE * proposed / 60))}" if seconds > 0 else ""
    longer = f"run the same command with more time{such}"
    return Need(f"{settle}. {n} of at most {budget.planned} planned seeds are trained; {longer}", longer)


def _few(n: int, budget: Budget) -> Need:
    least = f"no verdict is possible with fewer than {MIN_PAIRS} seeds"
    if budget.left:
        return Need(f"{least}, and the time was over after {n}; {_CONTINUE}", _CONTINUE)
    return Need(f"{least}, and only {n} finished with and without dropout", "see why runs did not finish")


def _open(says: str, n: int, budget: Budget) -> Need:
    """Add that seeds are left, if there are any, where nothing says that they would be in vain."""
    if not budget.left:
        return Need(f"{says}. All {count(budget.planned, 'seed')} that were planned are trained", _STOP)
    return Need(
        f"{says}. The time was over after {n} of at most {count(budget.planned, 'seed')}; {_CONTINUE}", _CONTINUE
    )


def _hopeless(says: str, n: int, budget: Budget) -> Need:
    """Add that seeds which are left would probably be in vain."""
    if not budget.left:
        return Need(f"{says}. All {count(budget.planned, 'seed')} that were planned are trained", _STOP)
    return Need(
        f"{says}. {_STOP.capitalize()}: the time was over after {n} of at most {count(budget.planned, 'seed')}, and those that "
        "are left will probably not settle it",
        f"{_STOP}, since the seeds that are left will probably not settle it",
    )
