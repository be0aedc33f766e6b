"""MNIST-1D as its package makes it, in this process's own time: the global generators do not notice."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from dropbench.data.checked import checked
from dropbench.data.mnist1d import load
from dropbench.errors import UsageError


def made_up() -> ModuleType:
    """As much of the package as is asked for, which seeds the global generators as it does."""
    module = ModuleType("mnist1d.data")

    def make_dataset() -> dict[str, Any]:
        np.random.seed(42)
        random.seed(42)
        x, y = np.random.randn(50, 40), np.arange(50) % 10
        return {"x": x[:40], "x_test": x[40:], "y": y[:40], "y_test": y[40:]}

    module.make_dataset = make_dataset  # type: ignore[attr-defined]
    return module


def test_the_test_split_is_the_packages_and_nothing_global_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mnist1d", ModuleType("mnist1d"))
    monkeypatch.setitem(sys.modules, "mnist1d.data", made_up())
    np.random.seed(7)
    random.seed(7)
    before = (np.random.get_state()[1].tolist(), random.getstate())  # type: ignore[union-attr]
    one, other = (checked(load(Path(), False), "mnist1d") for _ in range(2))
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before  # type: ignore[union-attr]
    assert torch.equal(one.x, other.x) and one.fingerprint == other.fingerprint
    assert one.shape == (40, 1) and one.test is not None and one.test.tolist() == list(range(40, 50))


def test_the_package_itself() -> None:
    pytest.importorskip("mnist1d")
    table = checked(load(Path(), False), "mnist1d")
    assert table.x.shape == (5000, 40, 1) and table.test is not None and len(table.test) == 1000
    assert table.y.bincount().tolist() == [500] * 10
    assert (float(table.x.mean()), float(table.x.std())) == pytest.approx((0, 1), abs=1e-3)


def test_where_it_is_not_installed_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mnist1d.data", None)
    with pytest.raises(UsageError, match=r"data=mnist1d needs the package mnist1d: pip install 'dropbench\[mnist1d\]'"):
        load(Path(), False)
