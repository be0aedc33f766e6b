"""An accuracy that was edited within its range is not believed where the run kept which test examples were right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored import make

from dropbench.store import Record, Skipped, Store, read
from dropbench.store.predictions import Predictions, dumped
from dropbench.store.record import PREDICTIONS

OURS = {"accuracy": {"name": "accuracy", "version": 1, "_target_": "dropbench.metrics.accuracy.accuracy"}}
RIGHT = np.array([True, False, True, True, False, True, False, True, True])


def stored(root: Path, told: float, *, metric: Any = None, beside: bytes | None = None) -> Path:
    """The folder of a run that kept RIGHT, of 9 test examples, and whose record says that its accuracy is `told`."""
    n = len(RIGHT)
    record = make(
        config={"metric": metric or OURS},
        n={"train": 10, "val": 5, "test": n},
        metrics={"test_accuracy": 6 / n},
        predictions=PREDICTIONS,
    )
    said = dumped(Predictions(30, np.arange(3, 3 + n), right=RIGHT))
    folder = Store(root).write(record, [], "", beside={PREDICTIONS: said})
    tree = json.loads((folder / "record.json").read_text())
    tree["metrics"]["test_accuracy"] = told
    (folder / "record.json").write_text(json.dumps(tree))
    if beside is not None:
        (folder / PREDICTIONS).write_bytes(beside)
    return folder


@pytest.mark.parametrize("right", range(10))
def test_only_the_share_that_was_kept_is_believed(tmp_path: Path, right: int) -> None:
    found = read(stored(tmp_path, right / 9))
    assert isinstance(found, Record) == (right == RIGHT.sum())
    if isinstance(found, Skipped):
        assert "in test.npz 6 of 9 examples are right" in found.reason


def test_a_share_in_float32_is_that_share(tmp_path: Path) -> None:
    assert isinstance(read(stored(tmp_path, float(np.float32(6 / 9)))), Record)


def test_an_accuracy_of_somebody_else_may_be_another_one(tmp_path: Path) -> None:
    theirs = {"accuracy": {"name": "accuracy", "version": 1, "_target_": "mine.balanced"}}
    assert isinstance(read(stored(tmp_path, 0.5, metric=theirs)), Record)


@pytest.mark.parametrize(
    "beside", [b"", b"PK\x03\x04 no archive", dumped(Predictions(9, np.arange(4), right=RIGHT[:4]))]
)
def test_a_file_that_says_nothing_of_these_examples_contradicts_nothing(tmp_path: Path, beside: bytes) -> None:
    assert isinstance(read(stored(tmp_path, 0.5, beside=beside)), Record)


def test_without_what_was_kept_there_is_nothing_to_hold_it_against(tmp_path: Path) -> None:
    folder = stored(tmp_path, 0.5)
    (folder / PREDICTIONS).unlink()
    assert isinstance(read(folder), Record)


def test_it_is_trained_again(tmp_path: Path) -> None:
    folder = stored(tmp_path, 1.0)
    assert not Store(tmp_path).is_done(folder.name)
