"""`dropbench sweep --max-minutes`: it ends in time, what there is can be compared, and the same command goes on."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from terminal import dropbench

from dropbench.execute.estimate import Durations
from dropbench.process.stop import Stop
from dropbench.store import Store

STUDY = ("study=three_arm", "data=wine", "model.widths=[4]", "train.epochs=5", "seed=range(0,4)")


def metrics(folder: Path) -> dict[str, dict[str, float]]:
    return {r.run_id: r.metrics for r in Store(folder).load().records}


def test_what_is_underway_is_saved_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = (f"results={tmp_path / 'stopped'}", "execute.workers=1")
    looks = itertools.count()
    with monkeypatch.context() as patched:  # time is over at the sixth look, in the middle of training
        patched.setattr(Stop, "left", property(lambda self: 1.0 if next(looks) < 6 else 0.0))
        first = dropbench(capsys, "sweep", *STUDY, *place, "--max-minutes", "10")
    assert first.code == 0
    assert (
        "stopped because the time is over: 12 runs are left, of which 12 in training are saved; run the same"
        in first.err
    )
    assert "12 of 12 planned runs have not run yet; the same command trains them." in first.out
    assert dropbench(capsys, "sweep", *STUDY, *place, "--max-minutes", "10").code == 0
    assert dropbench(capsys, "sweep", *STUDY, f"results={tmp_path / 'whole'}", "execute.workers=1").code == 0
    assert metrics(tmp_path / "stopped") == metrics(tmp_path / "whole") and len(metrics(tmp_path / "whole")) == 12


def test_with_workers_too_it_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("data=wine", "model.widths=[4]", "train.epochs=100000", "seed=range(0,4)", "execute.workers=2")
    began = time.monotonic()
    said = dropbench(capsys, "sweep", *words, f"results={tmp_path}", "--max-minutes", "0.03")
    assert said.code == 0 and time.monotonic() - began < 30
    assert "stopped because the time is over: 4 runs are left" in said.err


def test_what_would_not_end_in_time_is_not_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two arms that do not stack, one of which takes hours, the other is trained whole: every seed of it."""
    monkeypatch.setattr(Durations, "of", lambda self, cohort: 1e6 if cohort.specs[0].train.epochs == 6 else 1e-6)
    words = ("data=wine", "model.widths=[4]", "dropout=none", "train.epochs=5,6", "seed=range(0,4)")
    said = dropbench(capsys, "sweep", *words, f"results={tmp_path}", "execute.workers=1", "--max-minutes", "5")
    assert (
        said.code == 0 and "stopped because the time is over: 4 runs are left; run the same command again" in said.err
    )
    assert {r.config["train"]["epochs"] for r in Store(tmp_path).load().records} == {5}
    assert "mlp on wine" in said.out and "4 of 8 planned runs have not run yet" in said.out


def test_it_is_a_number_of_minutes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, "sweep", *STUDY, "--max-minutes", "-1").code == 2
    assert dropbench(capsys, "sweep", *STUDY, "--max-minutes", "soon").code == 2
