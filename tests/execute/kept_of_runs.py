"""What lies in a results folder, to be compared."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from dropbench.store.checkpoints import WORK


def everything(carried: Any) -> dict[str, Any]:
    """What is stored of each run but for time, memory and company."""
    may = ("seconds", "started", "cohort_size", "peak_memory_mb")
    runs = {}
    for record in carried.store.load().records:
        folder = carried.store.folder(record.run_id)
        rows = [line.rsplit(",", 2)[0] for line in (folder / "history.csv").read_text().splitlines()]
        told = {key: value for key, value in asdict(record).items() if key not in may}
        runs[record.run_id] = told, rows, (folder / "test.npz").read_bytes()
    return runs


def work(results: Path) -> list[str]:
    return sorted(p.name for p in (results / WORK).iterdir()) if (results / WORK).exists() else []
