"""A results folder with a few runs, and records in it that somebody has edited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from terminal import TINY

from dropbench.store import Store

WINE = [*TINY, "dropout=none,standard", "seed=0,1"]
"""The settings of its four runs."""


def runs(store: Store) -> list[str]:
    return sorted(r.run_id for r in store.load().records)


def edited(folder: Path, *edits: tuple[str, Any]) -> None:
    """Change fields of a run's record."""
    tree = json.loads((folder / "record.json").read_text())
    for key, value in edits:
        tree[key] = value
    (folder / "record.json").write_text(json.dumps(tree))
