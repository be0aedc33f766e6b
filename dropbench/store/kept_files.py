"""What is wrong with a file that is kept beside a run's record: its weights, or its predictions."""

from __future__ import annotations

from pathlib import Path

from dropbench.store.predictions import read_predictions
from dropbench.store.record import WEIGHTS
from dropbench.store.safely import Damaged
from dropbench.store.tensors import read_about


def fault(folder: Path, name: str) -> str | None:
    """Returns what is wrong with the file in a run's folder, half a sentence, or None. A missing file is wrong too."""
    try:
        if name == WEIGHTS:
            read_about(folder / name)
        elif read_predictions(folder) is None:
            return "it is missing, and its record names it"
    except Damaged as error:
        return str(error)
    return None
