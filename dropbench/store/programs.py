"""Numbers that programs of studies gave, a file each as it is computed: `results/programs/<program>-<source>/<seed>.json`."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from dropbench.errors import UsageError
from dropbench.store import files, safely

PROGRAMS = "programs"
_LONGEST = 1 << 10
"""Bytes: far above what a number takes."""


@dataclass(frozen=True)
class Number:
    """value: what the program gave, finite. seconds: what it took then."""

    value: float
    seconds: float


class Numbers:
    """Those of one program.

    Parameters
    ----------
    results : Path
        The folder of results.
    target : str
        The program's import path.
    source : str
        A hash of its source. Of another source the numbers are others.
    """

    def __init__(self, results: Path, target: str, source: str) -> None:
        self.folder = results / PROGRAMS / f"{target}-{source}"

    def find(self, seed: int) -> Number | None:
        """What it gave for a seed; None where that is not stored, or cannot be read."""
        try:
            tree = json.loads(safely.content(self._file(seed), _LONGEST))
            number = Number(float(tree["value"]), float(tree["seconds"]))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return number if math.isfinite(number.value) and 0 <= number.seconds < math.inf else None

    def keep(self, seed: int, number: Number) -> None:
        """Stores it, in one step for readers. Raises UsageError where nothing can be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            files.sweep(self.folder)
            files.write_file(self._file(seed), (json.dumps(asdict(number)) + "\n").encode())
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise UsageError(
                f"cannot write results into {self.folder}: {why}; choose another folder: results=DIR"
            ) from error

    def _file(self, seed: int) -> Path:
        return self.folder / f"{seed}.json"
