"""Single runs as a table to print: the settings in which they differ, and their scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dropbench.report.records.measures import LEADING, Measure
from dropbench.report.tables.columns import ABSENT, Column, Sheet, figures, one_digit, sheet
from dropbench.report.tables.runs import Runs
from dropbench.values import absent, written

TITLE = "Runs"
NOTE = "One row per run, with scores as in the tables. For every setting and digit: --format csv, parquet or json."


def of_runs(runs: Runs, width: int | None) -> Sheet:
    """Return the table, kept to `width` characters: costs are left out before settings, and settings before test scores."""
    table = runs.table

    def column(name: str, rank: int, write: Callable[[Any], str] = written, heading: Iterable[str] = ()) -> Column:
        values = table[name].tolist()
        right = all(isinstance(v, int | float) for v in values if v is not None)
        cells = (ABSENT if v is None or absent(v) else write(v) for v in values)
        return Column(tuple(heading) or (name,), tuple(cells), rank, right)

    def several(name: str) -> bool:
        return len({v for v in table[name].tolist() if v is not None}) > 1

    names = ("model.name", "data.name", "dropout.name")
    columns = [
        column("run_id", 0, heading=("run",)),
        column("arm", 0),
        column("seed", 0),
        column("status", 1) if table["status"].ne("completed").any() else None,
        *(column(name, rank) if several(name) else None for name, rank in (("table", 4), ("study", 30), ("plan", 31))),
        *(column(key, 5, heading=(key.removesuffix(".name") if key in names else key,)) for key in runs.varying),
        *(column(str(m), _rank(m), m.level, (m.where, f"{m.name} {m.unit}".rstrip())) for m in runs.measures),
        column("chosen_epoch", 12, heading=("chosen", "epoch")),
        column("seconds", 13, figures, ("time", "seconds")),
        column("peak_memory_mb", 15, one_digit, ("cohort's", "peak MB")),
        column("data_fingerprint", 14, heading=("data", "fingerprint")),
        column("reason", 20) if several("reason") or table["reason"].notna().any() else None,
    ]
    return sheet("", columns, width)


def _rank(measure: Measure) -> int:
    if measure.metric not in LEADING:
        return 11
    return {"test": 2, "val": 3, "gap": 6, "train": 7}[measure.part] + LEADING.index(measure.metric) * 6
