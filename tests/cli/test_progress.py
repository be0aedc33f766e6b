"""What is seen while runs train, on a terminal of 80 columns and in a log."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from typing import Any

import pytest
from rich.console import Console

from dropbench.cli.console import Shown
from dropbench.cli.progress import MOST, TrainingProgress, duration
from dropbench.engine.result import Progress
from dropbench.execute.cohort import Retry

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
    eval_every: int = 1
    patience: int | None = None
    restore_best: bool = True
    monitor: str = "val_loss"


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
    return [re.sub(r"[\d.]+ s left", "# s left", line) for line in capsys.readouterr().err.splitlines()]


def test_a_log_has_a_line_a_tenth(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropbench.cli.progress._LINE_S", -1.0)
    with Shown(False, False).progress([specs(1, 40)], {}) as progress:
        for epoch in range(1, 41):
            progress.listen(Progress(epoch, 40, {"r0": ROW if epoch % 5 == 0 else {"lr": 0.1}}))
    lines = log(capsys)
    assert len(lines) == 10
    assert lines[0] == "epoch 4/40  lr 0.1  # s left"
    # The scores of the last evaluation stay.
    assert lines[-1] == (
        "epoch 40/40  train/val accuracy 100.0/87.5 %  gap +12.5  train/val loss 0.123/2.500  lr 0.00025  # s left"
    )


def test_a_log_of_what_is_quick_has_the_first_line_the_arms_and_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    with Shown(False, False).progress([specs(6, 40)], ARMS) as progress:
        for epoch in range(1, 41):
            progress.listen(Progress(epoch, 40, {f"r{i}": row(0.9, 0.8) for i in range(6)}))
    assert log(capsys) == [
        "0 of 6 done, 6 training, epoch 4/40  # s left",
        "0 of 6 done, 6 training, epoch 40/40  # s left",
        "  scores at each run's latest epoch:",
        "  none    train/val accuracy 90.0/80.0 %  gap +10.0",
        "  target  train/val accuracy 90.0/80.0 %  gap +10.0",
    ]


def test_a_sweep_counts_runs_and_says_what_happened(capsys: pytest.CaptureFixture[str]) -> None:
    with Shown(False, False).progress([specs(3, 2)], {}) as progress:
        progress.listen(Progress(1, 2, {"r0": ROW, "r1": {**ROW, "train_loss": 1.12345}}))
        progress.listen(Retry(("r1",), "the worker process died (signal 9)"))
        progress.finished(Stored(Record("r0", "completed"), ("trained unstacked",)))
        progress.finished(
            Stored(Record("r1", "diverged", "the loss was not finite in epoch 2"), ("trained unstacked",))
        )
        progress.finished(Stored(Record("r2", "failed", "no")))
    lines = log(capsys)
    assert lines[0].startswith(
        "0 of 3 done, 2 training, epoch 1/2  train/val accuracy 100.0/87.5 %  gap +12.5  train/val loss 0.623"
    )
    assert [line for line in lines if " done" not in line and "left" not in line] == [
        "a cohort broke off, the worker process died (signal 9); its unfinished run is tried once more, each alone",
        "run r0: trained unstacked",
        "run r1 diverged: the loss was not finite in epoch 2",
    ]


def test_a_terminal_has_two_lines_that_fit() -> None:
    shown = Shown(False, False)
    screen = io.StringIO()
    shown._talk = Console(file=screen, force_terminal=True, width=80, height=24, color_system=None, highlight=False)
    with shown.progress([specs(1000, 1000)], {}) as progress:
        for epoch in (1, 500, 1000):
            row = {**ROW, "train_loss": 1234.5, "val_loss": 123456.7}
            progress.listen(Progress(epoch, 1000, {f"r{i}": row for i in range(1000)}))
            assert progress._bar is not None
            progress._bar.refresh()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    lines = [line for line in re.split(r"[\r\n]+", text) if line]
    assert max(map(len, lines)) <= 80
    assert any(
        re.match(r"0 of 1000 done, 1000 training, epoch \d+/1000 ━+ +\d:\d\d:\d\d so far, \S+ left$", line)
        for line in lines
    )
    assert any(line.startswith("train/val accuracy 100.0/87.5 %  gap +12.5  train/val loss 1234.5") for line in lines)


def row(train: float, val: float) -> dict[str, float]:
    return {"train_accuracy": train, "val_accuracy": val, "gap_accuracy": train - val, "lr": 0.1}


ARMS = {f"r{i}": ("none", "target")[i % 2] for i in range(6)}


def test_a_line_a_cohort_and_a_line_an_arm(capsys: pytest.CaptureFixture[str]) -> None:
    """The means are over the runs of an arm that have come anywhere, those that ended too; diverged ones are in none."""
    six = specs(6, 10)
    with Shown(False, False).progress([six[:4], six[4:]], ARMS) as progress:
        assert progress.lines() == []
        progress.listen(Progress(4, 10, {f"r{i}": row(0.9, 0.8 - 0.1 * (i % 2)) for i in range(4)}))
        first = progress.lines()
        progress.listen(Progress(1, 10, {"r4": row(0.6, 0.5), "r5": row(0.3, 0.3)}))
        progress.finished(Stored(Record("r0", "completed")))
        progress.finished(Stored(Record("r5", "diverged", "why")))
        second = progress.lines()
    assert first == [
        "cohort 1/2  epoch 4/10, 4 runs",
        "scores at each run's latest epoch:",
        "none    train/val accuracy 90.0/80.0 %  gap +10.0",
        "target  train/val accuracy 90.0/70.0 %  gap +20.0",
    ]
    assert second == [
        "cohort 1/2  epoch 4/10, 3 runs",
        "cohort 2/2  epoch 1/10, 1 run",
        "scores at each run's latest epoch:",
        "none    train/val accuracy 80.0/70.0 %  gap +10.0",
        "target  train/val accuracy 90.0/70.0 %  gap +20.0",
    ]
    assert log(capsys)[0] == "0 of 6 done, 4 training, epoch 4/10  # s left"


def test_more_lines_than_a_terminal_has_are_counted() -> None:
    cohorts = [[s] for s in specs(30, 10)]
    progress = TrainingProgress(lambda _: None, cohorts, {f"r{i}": f"arm {i}" for i in range(30)}, None)
    progress.listen(Progress(1, 10, {f"r{i}": row(0.9, 0.5 + (i * 7 % 30) / 100) for i in range(30)}))
    lines = progress.lines()
    assert len(lines) == 2 * (MOST + 1) + 1
    assert lines[MOST] == "and 22 more cohorts" and lines[-1] == "and 22 more between these"
    # The baseline, which is the first, and those with the best and the worst validation so far.
    merits = {f"arm {i}": i * 7 % 30 for i in range(1, 30)}
    ranked = sorted(merits, key=merits.__getitem__)
    told = {line.partition("  ")[0].strip() for line in lines[MOST + 2 : -1]}
    assert told == {"arm 0", *ranked[:3], *ranked[-4:]}


def test_a_cohort_that_broke_off_starts_afresh() -> None:
    progress = TrainingProgress(lambda _: None, [specs(2, 10)], ARMS, None)
    progress.listen(Progress(5, 10, {"r0": row(0.9, 0.8), "r1": row(0.9, 0.8)}))
    progress.listen(Retry(("r1",), "why"))
    assert progress.lines()[-1:] == ["none    train/val accuracy 90.0/80.0 %  gap +10.0"]


STOPS = Train(10, patience=3)


@pytest.mark.parametrize(
    ("trains", "says"),
    [
        ([Train(10)] * 2, "scores at each run's latest epoch:"),
        ([Train(10, eval_every=5)] * 2, "scores at each run's latest evaluated epoch:"),
        ([Train(10, patience=3, restore_best=False)] * 2, "scores at each run's latest epoch:"),
        ([STOPS] * 2, "scores at each run's latest epoch; the report takes its best, by val_loss:"),
        (
            [STOPS, replace(STOPS, monitor="val_accuracy")],
            "scores at each run's latest epoch; the report takes its best:",
        ),
        (
            [STOPS, Train(10)],
            "scores at each run's latest epoch; the report takes the best of runs with train.patience, by val_loss:",
        ),
    ],
)
def test_scores_in_training_say_which_epoch_they_are_of(trains: list[Train], says: str) -> None:
    """A report takes each run's best epoch where training stops early, so its numbers are not the last ones seen here."""
    runs: list[Any] = [Spec(f"r{i}", train) for i, train in enumerate(trains)]
    progress = TrainingProgress(lambda _: None, [runs], ARMS, None)
    progress.listen(Progress(5, 10, {"r0": row(0.9, 0.8), "r1": row(0.9, 0.8)}))
    first, *arms = progress.lines()
    assert first == says
    assert [line.split()[0] for line in arms] == ["none", "target"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (3725, "1 h 02 min"), (90_000, "25 h 00 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
