"""A report of a folder whose runs are known reads none of them again, and says the same."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dropbench import report
from dropbench.store import Store, index
from dropbench.store.predictions import Predictions, dumped

SEEDS = 8


def shown(root: Path) -> list[str]:
    built = report.build([root])
    return [report.render(built, fmt) for fmt in ("csv", "json", "markdown")]


def fill(store: Store, fake: Any, right: int) -> None:
    """Arms whose runs kept what they said, with curves; `right` of the test examples are right in the first."""
    random = np.random.default_rng(0)
    for arm, rate in enumerate((0, 0.25, 0.5)):
        for seed in range(SEEDS):
            told = np.arange(40) < right + arm + random.integers(3)
            name = {"dropout": "standard", "dropout.rate": rate} if rate else {"dropout": "none"}
            accuracy = float(told.mean())
            record = fake(
                seed, changes=name, test=accuracy, n={"train": 100, "val": 40, "test": 40}, predictions="test.npz"
            )
            history = [{"epoch": e, "train_loss": 1 / e, "val_loss": abs(e - 3 - seed % 2)} for e in range(1, 6)]
            said = Predictions(90, np.arange(seed, seed + 40), right=random.permutation(told))
            store.write(record, history, "", beside={"test.npz": dumped(said)})


def test_the_second_report_opens_no_run(fake: Any, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "FEWEST", 4)
    monkeypatch.setattr(index, "_SETTLED_S", -math.inf)
    fill(store, fake, 20)
    calls: Counter[str] = Counter()

    def counting(name: str) -> None:
        real = getattr(index, name)
        monkeypatch.setattr(index, name, lambda *given: calls.update([name]) or real(*given))

    for name in ("examined", "epochs_of", "told_in"):
        counting(name)
    first = shown(store.root)
    assert calls["examined"] == calls["epochs_of"] == calls["told_in"] == 3 * SEEDS
    calls.clear()
    assert shown(store.root) == first and not calls
    monkeypatch.setattr(index.Index, "save", lambda self: None)
    (store.root / index.INDEX).unlink()
    assert shown(store.root) == first and "for new examples like" in first[2]
