"""The three sets that come with scikit-learn: the same numbers as its own loaders give."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

from dropbench.data import _bundled
from dropbench.data.base import Table
from dropbench.errors import UsageError

SETS = {
    "digits": ("load_digits", "CHW", (1, 8, 8), 16.0),
    "breast_cancer": ("load_breast_cancer", "F", (30,), 1.0),
    "wine": ("load_wine", "F", (13,), 1.0),
}


def load(name: str) -> Table:
    table = importlib.import_module(f"dropbench.data.{name}").load(Path("nowhere"), False)
    assert isinstance(table, Table)
    return table


@pytest.mark.parametrize("name", SETS)
def test_equals_scikit_learn(name: str) -> None:
    loader, axes, shape, scale = SETS[name]
    x, y = getattr(datasets, loader)(return_X_y=True)
    table = load(name)
    np.testing.assert_array_equal(table.x.reshape(len(x), -1).numpy(), (x / scale).astype(np.float32))
    np.testing.assert_array_equal(table.y.numpy(), y)
    assert (table.name, table.axes, table.shape, table.n_classes) == (name, axes, shape, len(set(y)))
    assert table.test is None
    assert table.source


def test_digits_are_in_0_to_1() -> None:
    x = load("digits").x
    assert (x.min(), x.max()) == (0, 1)


@pytest.mark.parametrize("name", SETS)
def test_without_the_bundled_file_the_loader_answers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load(name)
    monkeypatch.setattr(Path, "is_file", lambda self: False)
    assert load(name).fingerprint == expected.fingerprint


def test_without_scikit_learn_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bundled.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install scikit-learn"):
        load("wine")


def test_scikit_learn_and_torchvision_are_not_imported() -> None:
    code = (
        "import sys; from pathlib import Path; from dropbench.data import digits, wine, mnist, augment;"
        "digits.load(Path(), False); wine.load(Path(), False);"
        "print([m for m in ('sklearn', 'torchvision') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
