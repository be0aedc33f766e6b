"""Several commands on one results folder: each run is trained once, whoever does, and what others leave is picked up."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from terminal import started

from dropbench.execute.agenda import Agenda
from dropbench.store import Store
from dropbench.store.claims import Claims

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

WAITING = "waiting: other commands are training the 2 runs that are left"


@pytest.fixture
def while_waiting(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Has something happen whenever a command waits for others, in place of time that passes."""
    pause = Agenda.pause

    def hook(happens: Callable[[], object]) -> None:
        def pausing(agenda: Agenda) -> float:
            pause(agenda)
            happens()
            return 0.001

        monkeypatch.setattr(Agenda, "pause", pausing)

    return hook


class Other:
    """Another command: it has claimed two of the runs, and has made all of them in a folder of its own."""

    def __init__(self, carry: Any, root: Path, *words: str) -> None:
        made = carry(*words, to="elsewhere")
        self.runs = [s.record.run_id for s in made.stored][1:3]
        self._folders = {s.record.run_id: s.folder for s in made.stored}
        self._root = root
        self.claims = Claims(root, beats=False)
        self.claims.take(self.runs)

    def stores(self) -> None:
        for run in self.runs:
            place = self._root / self._folders[run].parent.name / run
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(self._folders[run], place)

    def ends(self, *, stores: bool) -> None:
        if stores:
            self.stores()
        self.claims.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_what_another_command_trains_is_waited_for_and_not_trained(
    carry: Any, tmp_path: Path, while_waiting: Any, workers: int
) -> None:
    other = Other(carry, tmp_path / "results", "seed=range(0,4)")
    while_waiting(lambda: other.ends(stores=True))
    carried = carry("seed=range(0,4)", workers=workers, cohort=4)
    assert carried.statuses() == {"completed": 4}
    assert carried.notes == [WAITING] if workers == 1 else carried.notes in ([], [WAITING])  # or it trains meanwhile
    assert {s.record.run_id for s in carried.stored if s.elsewhere} == set(other.runs)
    assert {s.record.cohort_size for s in carried.stored if not s.elsewhere} <= {1, 2}  # the cohort shrank
    assert not (tmp_path / "results/work").exists()


def test_what_another_command_gives_up_is_trained_here(carry: Any, tmp_path: Path, while_waiting: Any) -> None:
    """It was interrupted; the next test is of one that was killed."""
    other = Other(carry, tmp_path / "results", "seed=range(0,4)")
    while_waiting(lambda: other.ends(stores=False))
    carried = carry("seed=range(0,4)", cohort=4)
    assert carried.statuses() == {"completed": 4} and not any(s.elsewhere for s in carried.stored)


def test_what_a_dead_command_leaves_is_trained_here(carry: Any, tmp_path: Path, while_waiting: Any) -> None:
    other = Other(carry, tmp_path / "results", "seed=range(0,4)")
    now = [0.0]
    here = Claims(tmp_path / "results", clock=lambda: now[0], beats=False)
    here._process = None  # as on another machine: that one's process cannot be looked for

    def ten_seconds() -> None:
        now[0] += 10
        here.beat()

    while_waiting(ten_seconds)
    carried = carry("seed=range(0,4)", cohort=4, claims=here)
    assert carried.statuses() == {"completed": 4} and not any(s.elsewhere for s in carried.stored)
    assert 60 <= now[0] <= 90
    assert not other.claims._own.exists()


def test_what_failed_elsewhere_while_it_was_waited_for_has_failed_here_too(
    carry: Any, tmp_path: Path, while_waiting: Any
) -> None:
    """Six commands that each try what fails would try it six times."""
    words = ("metric=[loss,accuracy,fail]", "seed=range(0,4)")
    other = Other(carry, tmp_path / "results", *words)
    while_waiting(lambda: other.ends(stores=True))
    carried = carry(*words, cohort=1)
    assert carried.statuses() == {"failed": 4}
    assert {s.record.run_id for s in carried.stored if s.elsewhere} == set(other.runs)
    # Another day, it is tried again: that failure is not of now.
    assert not any(s.elsewhere for s in carry(*words, cohort=1).stored)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_store_is_asked_again_before_a_cohort_begins(carry: Any, tmp_path: Path, workers: int) -> None:
    other = Other(carry, tmp_path / "results", "seed=range(0,4)")

    class Late(Claims):
        """The other command ends between the plan of this one and its first claim."""

        def take(self, run_ids: Iterable[str]) -> list[str]:
            other.ends(stores=True)
            return super().take(run_ids)

    carried = carry("seed=range(0,4)", workers=workers, cohort=4, claims=Late(tmp_path / "results"))
    assert {s.record.run_id for s in carried.stored if s.elsewhere} == set(other.runs)
    assert len(carried.stored) == 4 and carried.notes == []


def test_a_run_that_is_measured_again_is_so_once(carry: Any, tmp_path: Path, while_waiting: Any) -> None:
    """Finished runs that lack a metric are trained again: that they are finished does not say that others have done it."""
    carry("seed=range(0,4)")
    other = Other(carry, tmp_path / "results", "metric=[loss,accuracy,brier]", "seed=range(0,4)")

    def replaces() -> None:
        for run in other.runs:
            shutil.rmtree(tmp_path / "results/runs" / run)
        other.ends(stores=True)

    while_waiting(replaces)
    carried = carry("metric=[loss,accuracy,brier]", "seed=range(0,4)")
    assert len(carried.stored) == 4
    assert all("test_brier" in s.record.metrics for s in carried.stored)
    assert {s.record.run_id for s in carried.stored if s.elsewhere} == set(other.runs)


def test_a_run_that_was_taken_over_is_told_of_by_its_new_owner(carry: Any, tmp_path: Path) -> None:
    """This process stood still for so long that another took its runs: it stores them, but they are not its own any more."""

    class Slept(Claims):
        def holds(self, run_id: str) -> bool:
            return False

    carried = carry("seed=0,1", claims=Slept(tmp_path / "results"))
    assert [s.elsewhere for s in carried.stored] == [True, True] and carried.epochs == []


# Processes --------------------------------------------------------------------------------------------------------------

SWEEP = ("sweep", "data=wine", "model.widths=[8]", "execute.cohort=2", "train.loggers=[csv]", "--json")


def outcomes(commands: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    """What each printed; all have ended well."""
    ended = [command.communicate(timeout=600) for command in commands]
    assert [c.returncode for c in commands] == [0] * len(commands), [err for _, err in ended]
    return [json.loads(out) for out, _ in ended]


def check(results: Path, told: list[dict[str, Any]], runs: int, epochs: int) -> None:
    """All tell the same; each run has a row an epoch, in the log too; nothing is left over."""
    assert len(Store(results).load().records) == runs
    assert all(one["records"] == told[0]["records"] and one["completed"] == runs for one in told)
    assert not (results / "work").exists()
    for kind in ("runs", "failed", "plans"):
        assert not list((results / kind).glob(".*"))
    logs = sorted((results / "logs/csv").iterdir())
    assert len(logs) == runs
    for file in logs:
        with file.open(newline="") as rows:
            assert [row["epoch"] for row in csv.DictReader(rows)] == [str(e) for e in range(1, epochs + 1)]


def test_three_sweeps_at_once_train_each_run_once(tmp_path: Path) -> None:
    words = (*SWEEP, "dropout=none,standard", "seed=range(0,6)", "train.epochs=20", "execute.workers=1")
    told = outcomes([started(tmp_path, *words) for _ in range(3)])
    check(tmp_path / "results", told, runs=12, epochs=20)
    assert sum(one["trained"] for one in told) == 12


@pytest.mark.slow
def test_eight_sweeps_at_once_four_of_them_killed(tmp_path: Path) -> None:
    """The killed ones' runs are taken over; what survivors and victims stored adds up to each run once."""
    words = (*SWEEP, "dropout=none,standard", "seed=range(0,20)", "train.epochs=300", "execute.workers=2")
    commands = [started(tmp_path, *words) for _ in range(8)]
    runs = tmp_path / "results" / "runs"
    order = random.Random(1)
    victims = order.sample(commands, 4)
    for number, victim in enumerate(victims):
        end = time.monotonic() + 300
        while time.monotonic() < end and len(list(runs.glob("[!.]*"))) < 4 + 6 * number:
            time.sleep(0.05)
        os.killpg(victim.pid, signal.SIGKILL)
        victim.communicate()
    before = {run.name: run.stat().st_ino for run in runs.glob("[!.]*")}
    told = outcomes([c for c in commands if c not in victims])
    check(tmp_path / "results", told, runs=40, epochs=300)
    assert {name: (runs / name).stat().st_ino for name in before} == before  # none was stored a second time
    assert 40 - len(before) <= sum(one["trained"] for one in told) <= 40
