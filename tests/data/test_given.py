"""A table that is laid down for other processes comes back as the same data, and the file runs no code."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from graphs import graph_table
from own_tables import loaded, mixed

from dropbench.data import _given, digits
from dropbench.data.base import Table


def words() -> Table:
    x = torch.randint(0, 3, (8, 4), generator=torch.Generator().manual_seed(0))
    return Table("said", x, torch.arange(8) % 2, "T", 2, vocabulary=3, words=("<pad>", "<unk>", "good"), notes=("so",))


def of_columns(folder: Path) -> Table:
    return loaded(folder, mixed())


@pytest.mark.parametrize("kind", ["digits", "graph", "words", "columns"])
def test_it_is_the_same_data(kind: str, tmp_path: Path) -> None:
    table = {
        "digits": lambda: digits.load(tmp_path, False),
        "graph": graph_table,
        "words": words,
        "columns": lambda: of_columns(tmp_path),
    }[kind]()
    _given.lay(table, tmp_path / "it.table")
    again = _given.load(tmp_path, False, path=str(tmp_path / "it.table"))
    assert again.fingerprint == table.fingerprint
    assert (again.name, again.words, again.classes, again.notes) == (
        table.name,
        table.words,
        table.classes,
        table.notes,
    )
    if table.prepared is not None and again.prepared is not None:
        rows = torch.arange(len(table.y) // 2)
        ours, theirs = (p.fitted(rows).inputs(p.raw) for p in (table.prepared, again.prepared))
        assert torch.equal(ours, theirs)
    assert (again.prepared is None) == (kind != "columns")


def test_a_file_that_would_run_code_is_not_read(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "harm"),)

    (tmp_path / "plain").write_bytes(pickle.dumps(Evil(), protocol=2))
    torch.save({"name": Evil()}, tmp_path / "packed")
    for file in ("plain", "packed"):
        with pytest.raises(pickle.UnpicklingError):
            _given.load(tmp_path, False, path=str(tmp_path / file))
    assert not (tmp_path / "harm").exists()
