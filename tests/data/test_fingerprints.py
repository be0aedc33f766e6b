"""A table that names its files is hashed once for as long as they, the loader and its options stay as they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dropbench.data import fingerprints
from dropbench.data.base import Table
from dropbench.data.fingerprints import recall

LONG_AGO = 10**9


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Table]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fingerprints, "_SETTLED", 0)

    def table(value: float = 0.0, *files: Path) -> Table:
        return Table("t", torch.full((4, 2), value), torch.zeros(4, dtype=torch.int64), "F", 1, files=files)

    return table


def load(*, size: int = 1) -> None:
    """Stands for a loader."""


def other() -> None:
    """Stands for another."""


def fresh(table: Table) -> str:
    return Table("t", table.x, table.y, "F", 1).fingerprint


def test_what_is_kept_is_used_until_something_changes(table: Callable[..., Table], tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("1")
    recall(first := table(1.0, file), load, {"size": 1})
    # Other numbers with the same files: only what was kept can give the first table's fingerprint.
    for changed, loader, options in ((False, load, {"size": 1}), (True, load, {"size": 2}), (True, other, {"size": 1})):
        recall(second := table(2.0, file), loader, options)
        assert (second.fingerprint == fresh(second)) is changed
        assert (second.fingerprint == first.fingerprint) is not changed
    file.write_text("2")
    os.utime(file, (LONG_AGO, LONG_AGO))
    recall(third := table(3.0, file), load, {"size": 1})
    assert third.fingerprint == fresh(third)


def test_a_table_without_files_is_hashed_each_time(table: Callable[..., Table]) -> None:
    recall(table(1.0), load, {})
    recall(second := table(2.0), load, {})
    assert second.fingerprint == fresh(second)


def test_files_that_may_change_unseen_or_are_gone_are_not_trusted(
    table: Callable[..., Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rows.csv"
    recall(table(1.0, file), load, {})
    file.write_text("1")
    monkeypatch.setattr(fingerprints, "_SETTLED", 10**12)
    for value in (1.0, 2.0):
        recall(now := table(value, file), load, {})
        assert now.fingerprint == fresh(now)
    assert not (tmp_path / "cache").exists()
