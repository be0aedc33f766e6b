"""Small plans, executed in this process or in its workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from trouble import bring_trouble

from dropbench.config.compose import composer
from dropbench.execute.cohort import Note, Retry
from dropbench.execute.cohorts import cohorts
from dropbench.execute.local import Stored, execute, unfinished
from dropbench.planning.plan import Plan, make
from dropbench.store import Store

TINY = ["data=wine", "model.widths=[4]", "train.epochs=2", "metric=[loss,accuracy]"]


@dataclass
class Carried:
    plan: Plan
    store: Store
    stored: list[Stored]
    retries: list[Retry]
    notes: list[str]
    epochs: list[int]
    """The epoch of every row that listeners received, one row per run and epoch."""

    def statuses(self) -> dict[str, int]:
        found = [s.record.status for s in self.stored]
        return {status: found.count(status) for status in dict.fromkeys(found)}


Carry = Callable[..., Carried]


@pytest.fixture
def carry(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Carry:
    """A function that plans overrides and executes unfinished runs; `take` stops after that many runs, like an interrupt.

    Measured memory use is stored in a folder of the test. `how` is passed on to `execute`.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bring_trouble(mine)

    def carry(
        *words: str, workers: int = 1, cohort: Any = "auto", to: str = "results", take: int = 10**6, **how: Any
    ) -> Carried:
        own: Sequence[str] = [*TINY, f"results={tmp_path / to}", f"execute.cohort={cohort}", "device=cpu", *words]
        keys = {w.partition("=")[0] for w in words}
        with composer([mine]) as c:
            plan = make([w for w in own if w in words or w.partition("=")[0] not in keys], c)
        store = Store(plan.settings.results)
        todo = unfinished(plan.specs, store)
        groups = cohorts(todo, plan.outlines, plan.settings, "cpu", workers)
        retries: list[Retry] = []
        notes: list[str] = []
        epochs: list[int] = []

        def listen(event: Any) -> None:
            if isinstance(event, Retry):
                retries.append(event)
            elif isinstance(event, Note):
                notes.append(event.text)
            else:
                epochs.extend(event.epoch for _ in event.rows)

        outcomes = execute(groups, plan.settings, "cpu", workers, store, listen, **how)
        stored: list[Stored] = []
        with suppress(KeyboardInterrupt):
            stored.extend(one for _, one in zip(range(take if groups else 0), outcomes, strict=False))
        outcomes.close()
        return Carried(plan, store, stored, retries, notes, epochs)

    return carry
