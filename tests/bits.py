"""Reads the parts of stored runs that must be bit-identical wherever, and in whatever cohort, the runs were trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

OF_THE_TRAINING = ("seconds", "started", "peak_memory_mb", "cohort_size", "git_commit")


def everything(results: Path) -> dict[str, Any]:
    """Return everything stored for each run, by id, except times, memory, the size of its cohort and the commit."""
    runs = {}
    for folder in sorted((results / "runs").iterdir()):
        record = json.loads((folder / "record.json").read_text())
        for key in OF_THE_TRAINING:
            record.pop(key)
        rows = [line.rsplit(",", 2)[0] for line in (folder / "history.csv").read_text().splitlines()]
        runs[folder.name] = record, rows, (folder / "test.npz").read_bytes()
    return runs
