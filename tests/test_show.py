"""What progress and tables look like, on a terminal of 80 columns and in a log."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from terminal import dropbench

from dropbench.config import composer
from dropbench.engine.result import Progress
from dropbench.execute.cohort import Retry
from dropbench.plan import make
from dropbench.show import Shown

ROW = {
    "train_loss": 0.12345,
    "val_loss": 2.5,
    "train_accuracy": 1.0,
    "val_accuracy": 0.875,
    "gap_accuracy": 0.125,
    "lr": 0.00025,
}


@dataclass
class Spec:
    run_id: str
    train: Any


@dataclass
class Train:
    epochs: int


@dataclass
class Stored:
    record: Any
    notes: tuple[str, ...] = ()


@dataclass
class Record:
    run_id: str
    status: str
    reason: str | None = None


def specs(n: int, epochs: int) -> list[Any]:
    return [Spec(f"r{i}", Train(epochs)) for i in range(n)]


def log(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was printed, without the seconds."""
    return [re.sub(r"[\d.]+ s left", "# s left", line) for line in capsys.readouterr().out.splitlines()]


def test_a_log_has_a_line_a_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with Shown(False, False).progress(specs(1, 40)) as watch:
        for epoch in range(1, 41):
            watch.listen(Progress(epoch, 40, {"r0": ROW if epoch % 5 == 0 else {"lr": 0.1}}))
    lines = log(capsys)
    assert len(lines) == 10
    assert lines[0] == "epoch 4/40  lr 0.1  # s left"
    # The scores of the last evaluation stay.
    assert lines[-1] == (
        "epoch 40/40  train/val loss 0.123/2.500  train/val accuracy 100.0/87.5 %  gap +12.5  lr 0.00025  # s left"
    )


def test_a_sweep_counts_runs_and_says_what_happened(capsys: pytest.CaptureFixture[str]) -> None:
    with Shown(False, False).progress(specs(3, 2)) as watch:
        watch.listen(Progress(1, 2, {"r0": ROW, "r1": {**ROW, "train_loss": 1.12345}}))
        watch.listen(Retry(("r1",), "the worker process died (signal 9)"))
        watch.finished(Stored(Record("r0", "completed"), ("trained unstacked",)))
        watch.finished(Stored(Record("r1", "diverged", "the loss was not finite in epoch 2")))
        watch.finished(Stored(Record("r2", "failed", "no")))
    lines = log(capsys)
    assert lines[0].startswith("run 0/3  train/val loss 0.623/2.500")
    assert [line for line in lines if not line.startswith("run 0") and "left" not in line] == [
        "a cohort broke off, the worker process died (signal 9); its unfinished run is tried once more, each alone",
        "run r0: trained unstacked",
        "run r1 diverged: the loss was not finite in epoch 2",
    ]


def test_a_terminal_has_two_lines_that_fit() -> None:
    shown = Shown(False, False)
    screen = io.StringIO()
    shown._talk = Console(file=screen, force_terminal=True, width=80, height=24, color_system=None, highlight=False)
    with shown.progress(specs(1000, 1000)) as watch:
        for epoch in (1, 500, 1000):
            row = {**ROW, "train_loss": 1234.5, "val_loss": 123456.7}
            watch.listen(Progress(epoch, 1000, {f"r{i}": row for i in range(1000)}))
            assert watch._bar is not None
            watch._bar.refresh()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    lines = [line for line in re.split(r"[\r\n]+", text) if line]
    assert max(map(len, lines)) <= 80
    assert any(re.match(r"run 0/1000 ━+ +\d:\d\d:\d\d so far, \S+ left$", line) for line in lines)
    assert any(line.startswith("train/val loss 1234.500/123456.700  train/val acc") for line in lines)


def test_a_dry_run_names_arms_and_what_tells_them_apart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["study=three_arm", "train.lr=0.1,0.01", "model.widths=[4]", "data=wine", "seed=range(0,3)"]
    with composer() as c:
        plan = make(words, c)
    groups = [list(plan.specs[:9]), list(plan.specs[9:])]
    Shown(False, False).dry_run(plan, plan.specs, groups, "cpu", 4, 75.0)
    lines = [re.sub(" +", " ", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "arm model data dropout setting seeds parameters sites",
        "none mlp wine none lr=0.1 3 71 -",
        "reduced mlp wine standard lr=0.1 3 71 hidden.0=0.25",
        "target mlp wine standard lr=0.1 3 71 hidden.0=0.5",
        "none mlp wine none lr=0.01 3 71 -",
        "reduced mlp wine standard lr=0.01 3 71 hidden.0=0.25",
        "target mlp wine standard lr=0.01 3 71 hidden.0=0.5",
        "2 cohorts of 9 runs, 2 workers, cpu",
        "about 1 min 15 s, from timing a few steps of each kind of cohort",
    ]


def test_lists_wrap_on_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    found = {"models": {"mlp": "word " * 40, "transformer": "short"}}
    shown = Shown(False, False)
    shown.options(found)
    assert len(capsys.readouterr().out.splitlines()) == 2
    screen = io.StringIO()
    shown._talk = Console(file=screen, force_terminal=True, width=80, color_system=None)
    shown.options(found)
    lines = screen.getvalue().splitlines()
    assert len(lines) == 5 and max(map(len, lines)) <= 80
    assert lines[1].startswith(" " * 13 + "word")


def test_a_record_that_cannot_be_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Shown(False, False).run(None, tmp_path)
    assert capsys.readouterr().err == f"Error: the record in {tmp_path} cannot be read\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (3725, "1 h 02 min"), (90_000, "25 h 00 min")],
)
def test_durations(seconds: float, text: str) -> None:
    from dropbench.show import _duration

    assert _duration(seconds) == text


def test_help_fits_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for command in ("train", "sweep", "report", "list"):
        out = dropbench(capsys, command, "--help").out
        assert max(map(len, out.splitlines())) <= 80
        assert "Examples" in out and "--quiet" in out
        assert f"dropbench {command}" in out
        assert "[[" not in out
