"""Numbers that programs of studies returned, a file per seed: `results/programs/<program>-<source>/<seed>.json`."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from dropbench.errors import UsageError
from dropbench.store import files, safely

PROGRAMS = "programs"
_LONGEST = 1 << 10
"""Largest size of a file in bytes, far more than a number takes."""


@dataclass(frozen=True)
class Number:
    """value: what the program returned, finite. seconds: the time that it took."""

    value: float
    seconds: float


class Numbers:
    """The stored numbers of one program.

    Parameters
    ----------
    results : Path
        The results folder.
    target : str
        The program's import path.
    source : str
        A hash of its source. With another source the numbers are stored elsewhere.
    """

    def __init__(self, results: Path, target: str, source: str) -> None:
        self.folder = results / PROGRAMS / f"{target}-{source}"

    def find(self, seed: int) -> Number | None:
        """Returns the number for a seed; None if it is not stored, or cannot be read."""
        try:
            tree = json.loads(safely.content(self._file(seed), _LONGEST))
            number = Number(float(tree["value"]), float(tree["seconds"]))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return number if math.isfinite(number.value) and 0 <= number.seconds < math.inf else None

    def keep(self, seed: int, number: Number) -> None:
        """Stores a number, in one step for readers. Raises UsageError if it cannot be written."""
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
