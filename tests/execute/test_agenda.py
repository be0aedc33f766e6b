"""What is handed out next, when a run needs all of the memory or no process can be started."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from specs_kit import planned

from dropbench.errors import UsageError
from dropbench.execute import pool
from dropbench.execute.agenda import Agenda
from dropbench.execute.cohort import Broken, Failure, Retry
from dropbench.execute.cohorts import Cohort
from dropbench.execute.memory_limits import MemoryLimits
from dropbench.store import Store
from dropbench.store.claims import Claims

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture
def agenda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agenda]:
    """Two cohorts of one run, and what was said to be tried again in `agenda.heard`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plan = planned("data=wine", "model.widths=[4]", "dropout=none", "seed=0,1", f"results={tmp_path / 'results'}")
    cohorts = [Cohort((s,), plan.outlines[s.run_id]) for s in plan.specs]
    with Claims(tmp_path / "results", beats=False) as claims:
        heard: list[Any] = []
        made = Agenda(
            cohorts, Store(tmp_path / "results"), claims, MemoryLimits(plan.settings, "cpu", 2), heard.append, {}
        )
        made.heard = heard  # type: ignore[attr-defined]
        yield made


def out_of_memory(cohort: Cohort) -> Broken:
    return Broken(cohort, "MemoryError", "...", 1.0, True)


def test_a_run_that_is_out_of_memory_beside_others_is_tried_by_itself(agenda: Any) -> None:
    large, other = agenda.next(), agenda.next()
    assert agenda.broken(out_of_memory(large)) is None
    assert agenda.heard == [Retry((large.specs[0].run_id,), "MemoryError", "once nothing else trains")]
    assert agenda.left and agenda.next() is None  # the other trains
    agenda.trained([other.specs[0].run_id])
    assert agenda.next() == large
    agenda.give_back(other)
    assert agenda.next() is None  # nothing beside it
    assert isinstance(agenda.broken(out_of_memory(large)), Failure)
    assert agenda.next() == other and not agenda.left


def test_a_run_that_is_out_of_memory_with_nothing_beside_it_has_failed(agenda: Any) -> None:
    failure = agenda.broken(out_of_memory(agenda.next()))
    assert isinstance(failure, Failure) and agenda.heard == []


def test_what_is_not_expected_to_end_in_time_is_left_but_for_the_first(agenda: Any) -> None:
    agenda._in_time = lambda cohort: False
    assert agenda.next() is not None and agenda.left
    assert agenda.next() is None and not agenda.left


@pytest.mark.parametrize("most", [0, 1])
def test_fewer_workers_where_no_more_can_be_started(carry: Any, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    begin, begun = pool.begin, []

    def beginning(process: Any) -> None:
        if len(begun) >= most:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        begun.append(process)
        begin(process)

    monkeypatch.setattr(pool, "begin", beginning)
    if not most:
        with pytest.raises(UsageError, match="no worker process can be started: "):
            carry("seed=range(0,3)", workers=3, cohort=1)
        return
    carried = carry("seed=range(0,3)", workers=3, cohort=1)
    assert carried.statuses() == {"completed": 3}
    assert carried.notes == [f"{os.strerror(errno.EAGAIN)}: going on with 1 worker"]
