"""What loggers are told and when, and that nothing they do reaches a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sweeping import Sweep

from dropbench import loggers
from dropbench.engine.result import Progress
from dropbench.execute.cohort import Note, Retry
from dropbench.execute.local import Stored
from dropbench.loggers import Loggers, Run
from dropbench.loggers.base import Row
from dropbench.store import Record


class Spy:
    """Notes what it is told, and raises at one of its names if asked to."""

    def __init__(self, failing: str | None = None) -> None:
        self.told: list[tuple[str, Any]] = []
        self._failing = failing

    def _note(self, what: str, *of: Any) -> None:
        self.told.append((what, *of))
        if what == self._failing:
            raise OSError(28, "No space left on device")

    def begin(self, run: Run) -> None:
        self._note("begin", run.run_id)

    def epoch(self, run_id: str, row: Row) -> None:
        self._note("epoch", run_id, row["epoch"])

    def end(self, record: Record) -> None:
        self._note("end", record.run_id)

    def close(self) -> None:
        self._note("close")


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> Callable[[Spy], Spy]:
    """The logger called csv is this one."""

    def install(spy: Spy) -> Spy:
        monkeypatch.setattr(loggers, "_made", lambda name, folder, study: spy)
        return spy

    return install


def numbers(results: Path) -> dict[str, Any]:
    """What was trained: metrics, and histories without what it cost."""
    found = {}
    for folder in sorted((results / "runs").iterdir()):
        lines = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
        kept = [i for i, name in enumerate(lines[0]) if name not in ("seconds", "peak_memory_mb")]
        rows = [[line[i] for i in kept] for line in lines]
        found[folder.name] = json.loads((folder / "record.json").read_text())["metrics"], rows
    return found


def test_each_run_begins_has_its_epochs_and_ends(sweep: Sweep, spied: Callable[[Spy], Spy], tmp_path: Path) -> None:
    spy = spied(Spy())
    assert sweep("csv").code == 0
    assert spy.told[-1] == ("close",)
    runs = [folder.name for folder in (tmp_path / "results/runs").iterdir()]
    assert len(runs) == 4
    for run in runs:
        own = [told for told in spy.told[:-1] if told[1] == run]
        assert own == [("begin", run), *(("epoch", run, e) for e in (1, 2, 3)), ("end", run)]


def test_a_sweep_that_goes_on_logs_only_what_it_trains(
    sweep: Sweep, spied: Callable[[Spy], Spy], tmp_path: Path
) -> None:
    first = spied(Spy())
    assert sweep("csv").code == 0 and len([t for t in first.told if t[0] == "begin"]) == 4
    again = spied(Spy())
    assert sweep("csv").code == 0 and again.told == []
    gone = next((tmp_path / "results/runs").iterdir())
    (gone / "record.json").write_text("cut sh")
    assert sweep("csv").code == 0
    assert [t[1] for t in again.told if t[0] in ("begin", "end")] == [gone.name] * 2


def test_a_dry_run_touches_nothing(sweep: Sweep, spied: Callable[[Spy], Spy], tmp_path: Path) -> None:
    spy = spied(Spy())
    assert sweep("csv", "--dry-run").code == 0
    assert spy.told == [] and not (tmp_path / "results").exists()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("failing", ["begin", "epoch", "end", "close"])
def test_a_logger_that_fails_costs_no_run(
    sweep: Sweep, spied: Callable[[Spy], Spy], tmp_path: Path, failing: str, workers: int
) -> None:
    spy = spied(Spy(failing))
    said = sweep("csv", "--quiet", f"execute.workers={workers}")
    assert said.code == 0 and said.out == ""
    assert said.err.splitlines() == [
        "Warning: the logger csv failed and is no longer used (OSError: [Errno 28] No space left on device); runs go on"
    ]
    assert len([t for t in spy.told if t[0] == failing]) == (2 if failing == "close" else 1) and spy.told[-1] == (
        "close",
    )
    assert len(numbers(tmp_path / "results")) == 4


def test_one_that_fails_leaves_the_others(sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spies = {"csv": Spy("epoch"), "tensorboard": Spy()}
    monkeypatch.setattr(loggers, "_made", lambda name, folder, study: spies[name])
    monkeypatch.setattr(loggers, "check", lambda names: None)
    assert sweep("csv,tensorboard").code == 0
    assert len([t for t in spies["tensorboard"].told if t[0] == "end"]) == 4


def test_one_that_cannot_begin_is_told_before_anything_trains(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/logs").write_text("a file")
    said = sweep("csv")
    assert said.code == 2 and "train.loggers=csv cannot start: " in said.err
    assert not list((tmp_path / "results/runs").iterdir())


def test_they_change_no_number(sweep: Sweep, tmp_path: Path) -> None:
    assert sweep("").code == 0
    without = numbers(tmp_path / "results")
    assert sweep("csv", results="other").code == 0
    assert numbers(tmp_path / "other") == without


def test_a_cohort_that_broke_off_begins_again() -> None:
    spy = Spy()
    told = Loggers({"spy": spy}, [Run("a", "none", 0, {}), Run("b", "none", 1, {})], pytest.fail)
    rows = {run: {"epoch": 1} for run in "ab"}
    heard: list[object] = []
    listen = told.beside(heard.append)
    for event in (Progress(1, 2, rows), Retry(("b",), "killed"), Progress(1, 2, {"b": {"epoch": 1}})):
        listen(event)
    assert spy.told == [("begin", "a"), ("epoch", "a", 1), *[("begin", "b"), ("epoch", "b", 1)] * 2]
    assert len(heard) == 3


def test_each_epoch_has_one_row_whatever_is_told_twice() -> None:
    """A run that goes on from what was saved tells its epochs from the first: its log begins anew."""
    spy = Spy()
    told = Loggers({"spy": spy}, [Run("a", "none", 0, {})], pytest.fail)
    for epoch in (1, 2, 1, 2, 3):
        told.listen(Progress(epoch, 3, {"a": {"epoch": epoch}}))
    told.listen(Note("something else"))
    assert spy.told == [
        *(("begin", "a"), ("epoch", "a", 1), ("epoch", "a", 2)),
        *(("begin", "a"), ("epoch", "a", 1), ("epoch", "a", 2), ("epoch", "a", 3)),
    ]


def test_a_run_of_another_command_is_told_by_that_one() -> None:
    spy = Spy()
    told = Loggers({"spy": spy}, [Run("a", "none", 0, {})], pytest.fail)
    told.finished(Stored(SimpleNamespace(run_id="a"), Path(), (), elsewhere=True))  # type: ignore[arg-type]
    assert spy.told == []


def test_a_run_that_fails_before_its_first_epoch_begins_and_ends() -> None:
    spy = Spy()
    told = Loggers({"spy": spy}, [Run("a", "none", 0, {})], pytest.fail)
    told.finished(Stored(SimpleNamespace(run_id="a"), Path(), ()))  # type: ignore[arg-type]
    assert spy.told == [("begin", "a"), ("end", "a")]
