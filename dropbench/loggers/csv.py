"""One file per run with one row per epoch, for `tail -f` and spreadsheets: history.csv while the run is still training."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.loggers.base import Row, Run

if TYPE_CHECKING:
    from dropbench.store import Record


class Csv:
    """Writes `<folder>/<run_id>.csv`, with each row as soon as its epoch has ended."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._columns: dict[str, list[str]] = {}

    def begin(self, run: Run) -> None:
        """Removes the log of an earlier attempt at this run."""
        self._file(run.run_id).unlink(missing_ok=True)
        self._columns[run.run_id] = []

    def epoch(self, run_id: str, row: Row) -> None:
        """Appends a row; if it has a new column, the file is written again."""
        columns, file = self._columns[run_id], self._file(run_id)
        if new := [key for key in row if key not in columns]:
            columns += new
            _widen(file, columns)
        with file.open("a", encoding="utf-8", newline="") as out:
            csv.DictWriter(out, columns, lineterminator="\n").writerow(row)

    def end(self, record: Record) -> None:
        """Forgets the run's columns; its file stays."""
        self._columns.pop(record.run_id, None)

    def close(self) -> None:
        """Does nothing, since no file is open."""

    def _file(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.csv"


def _widen(file: Path, columns: Sequence[str]) -> None:
    """Rewrites the file with a header of these columns; with train.eval_every a later row may have more than the first."""
    rows = []
    if file.exists():
        with file.open(encoding="utf-8", newline="") as old:
            rows = list(csv.DictReader(old))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    beside = file.with_name(f".{file.name}")
    beside.write_text(text.getvalue(), encoding="utf-8")
    os.replace(beside, file)
