"""Finds what `dropbench advise` stored for the same question, so that the command continues or gives its answer again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dropbench.identity import given
from dropbench.planning.advising import could_be_fitted

if TYPE_CHECKING:
    from dropbench.planning.advising import Protocol
    from dropbench.planning.continuing import Course
    from dropbench.store import Store, StoredPlan

_LENGTH = {"train.epochs", "train.patience"}
"""The keys that say how long runs are trained, which `advise` fits to the time."""
_MOST = 60
"""The most letters of a question's words in the name of a file."""
_FOLDERS = re.compile(r"[/\\]")
_MORE = 1.5
"""How many times the seeds or epochs of a comparison that has ended have to fit, so that a larger one is worth its time."""
_TIME, _ANEW = 2, 5
"""How many times the time that it took has to be there for more of its seeds, and for other epochs, which begin anew. With less
than that, the same command says the same again: its estimates differ, because the machine is faster or slower today."""


@dataclass(frozen=True)
class Before:
    """The newest stored comparison for a question.

    Parameters
    ----------
    protocol : Protocol
        How it was compared. A new estimate of the time might choose other epochs and seeds.
    ended : bool
        Whether it has trained everything that it will train.
    settled : bool
        Whether it ended before its last look, because every arm had a verdict.
    seconds : float
        How long training has taken by the clock, tuning included.
    """

    protocol: Protocol
    ended: bool
    settled: bool
    seconds: float

    def larger(self, fitting: Protocol, seconds: float) -> Protocol | None:
        """Return a comparison that adds enough to this one, which has ended; None if none does.

        Parameters
        ----------
        fitting : Protocol
            What would fit the time if nothing were stored.
        seconds : float
            The time that there is.
        """
        mine = self.protocol
        if fitting.epochs >= _MORE * mine.epochs and seconds >= _ANEW * self.seconds:
            return fitting
        if fitting.at_most >= _MORE * mine.at_most and seconds >= _TIME * self.seconds:
            return replace(mine, at_most=fitting.at_most)
        return None


def before(course: Course, chosen: Protocol, overrides: Sequence[str]) -> Before | None:
    """Return the newest stored comparison for the same question; None if there is none.

    Parameters
    ----------
    course : Course
        As `chosen` asks for it.
    chosen : Protocol
        Before it is fitted to the time.
    overrides : sequence of str
        As typed. A length of training that was typed has to be the stored one.
    """
    from dropbench.execute.executors import place
    from dropbench.store import Store

    store = Store(course.first.settings.results)
    stored = sorted(store.plans(), key=lambda p: p.created, reverse=True)
    typed = {text.partition("=")[0] for text in overrides}
    free = _LENGTH - typed
    mine = _question(chosen.overrides, free)
    for plan in stored:
        if plan.study != course.first.study or _question(plan.overrides, free) != mine or not plan.course:
            continue
        epochs = _epochs(plan)
        if epochs is not None and "train.epochs" in free and not could_be_fitted(epochs, chosen):
            continue  # its length was typed, and is not typed now
        workers = place(course.first.settings).workers
        length = [text for text in plan.overrides if text.partition("=")[0] in free]
        # A call from Python has its data in another folder each time, so all but the length of training is as typed now.
        again = (*(text for text in chosen.overrides if text.partition("=")[0] not in free), *length)
        return _found(plan, replace(chosen, overrides=again), epochs, trained_in(store, plan.every_run, workers))
    return None


def stem(plan: StoredPlan, title: str) -> str:
    """Return the name, without its ending, of the files that hold the answer to a plan's question and to no other.

    A longer or larger comparison answers the same question again. title: the model and data of the question, in words.
    """
    asked = "\n".join(_question(plan.overrides, _LENGTH))
    words = re.sub(r"\W+", "-", title)[:_MOST].strip("-")
    return f"advice-{words}-{hashlib.sha256(asked.encode()).hexdigest()[:6]}"


def trained_in(store: Store, runs: Iterable[str], workers: int) -> float:
    """Return how many seconds the clock ran while these runs were trained, if all workers were busy."""
    records = (store.finished(run) for run in runs)
    return sum(record.seconds for record in records if record is not None) / workers


def _found(plan: StoredPlan, chosen: Protocol, epochs: int | None, seconds: float) -> Before:
    assert plan.course is not None
    looks, ended = plan.course.rule.looks, plan.course.ended
    protocol = replace(
        chosen,
        epochs=chosen.epochs if epochs is None else epochs,
        at_most=looks[-1] if looks else chosen.at_most,
    )
    return Before(protocol, ended, ended and bool(looks) and plan.course.looks[-1] < looks[-1], seconds)


def _epochs(plan: StoredPlan) -> int | None:
    text = next((t.partition("=")[2] for t in plan.overrides if t.startswith("train.epochs=")), None)
    return int(text) if text and text.isdecimal() else None


def _question(overrides: Iterable[str], free: Collection[str]) -> list[str]:
    """Return what a comparison asks, however it is typed. free: the keys that may differ."""
    return sorted(_lasting(text) for text in overrides if text.partition("=")[0] not in free)


def _lasting(override: str) -> str:
    """Return an override without the temporary folder in which a call from Python lays its data."""
    if not given(override):
        return override
    key, _, value = override.partition("=")
    return f"{key}={_FOLDERS.split(value)[-1]}"
