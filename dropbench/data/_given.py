"""Data that a program gave as an object: laid down for the processes that train on it, and read as any other."""

from __future__ import annotations

import pickle
from pathlib import Path

from dropbench.data.base import Table


def load(root: Path, download: bool, *, path: str) -> Table:
    """The table in a file that `dropbench.api.objects` wrote a moment ago, into a folder that nobody else can write to.

    root, download: not used.
    """
    table = pickle.loads(Path(path).read_bytes())
    assert isinstance(table, Table)
    return table
