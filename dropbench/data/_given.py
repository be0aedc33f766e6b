"""Data that a program passed as an object: written to a file for the worker processes, and read like other data.

The file contains only tensors, numbers and texts, and torch reads nothing else back. So a file that somebody puts in its
place cannot run code.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from dropbench.data.base import Graph, Table
from dropbench.data.tabular.prepare import Columns, Prepared


def lay(table: Table, file: Path) -> None:
    """Writes a table to a file, without the paths of the files from which it was read."""
    held: dict[str, Any] = {f.name: getattr(table, f.name) for f in fields(table) if f.name != "files"}
    if table.graph is not None:
        held["graph"] = (table.graph.features, table.graph.edges)
    if table.prepared is not None:
        held["prepared"] = (table.prepared.columns.dumped(), torch.from_numpy(table.prepared.raw))
    torch.save(held, file)


def load(root: Path, download: bool, *, path: str) -> Table:
    """Returns the table from a file that `lay` wrote.

    root, download: not used.
    """
    held = torch.load(path, weights_only=True)
    if held["graph"] is not None:
        held["graph"] = Graph(*held["graph"])
    if held["prepared"] is not None:
        columns, raw = held["prepared"]
        held["prepared"] = Prepared(Columns.loaded(columns), raw.numpy())
    return Table(**held)
