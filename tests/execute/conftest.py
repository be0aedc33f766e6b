"""Small plans, carried out in this process or in workers of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dropbench.config.compose import composer
from dropbench.execute.cohort import Retry
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

    def statuses(self) -> dict[str, int]:
        found = [s.record.status for s in self.stored]
        return {status: found.count(status) for status in dict.fromkeys(found)}


Carry = Callable[..., Carried]


@pytest.fixture
def carry(mine: Path, tmp_path: Path) -> Carry:
    """Plans words and carries out what is unfinished; `take` stops after so many runs, `stop` when it says so."""

    def carry(
        *words: str,
        workers: int = 1,
        cohort: Any = "auto",
        to: str = "results",
        take: int = 10**6,
        stop: Any = None,
    ) -> Carried:
        own: Sequence[str] = [*TINY, f"results={tmp_path / to}", f"execute.cohort={cohort}", "device=cpu", *words]
        keys = {w.partition("=")[0] for w in words}
        with composer([mine]) as c:
            plan = make([w for w in own if w in words or w.partition("=")[0] not in keys], c)
        store = Store(plan.settings.results)
        todo = unfinished(plan.specs, store)
        groups = cohorts(todo, plan.outlines, plan.settings, "cpu", workers)
        retries: list[Retry] = []
        listen = lambda event: retries.append(event) if isinstance(event, Retry) else None  # noqa: E731
        outcomes = execute(groups, plan.settings, "cpu", workers, store, listen, stop=stop)
        stored: list[Stored] = []
        with suppress(KeyboardInterrupt):
            stored.extend(one for _, one in zip(range(take if groups else 0), outcomes, strict=False))
        outcomes.close()
        return Carried(plan, store, stored, retries)

    return carry
