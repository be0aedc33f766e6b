"""Reads a run's epochs from its history.csv, which may be damaged or edited: the best, what jumped, how steady the end is."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from dropbench.store import safely

Columns = Mapping[str, list[float]]
"""{column: one number per epoch}, NaN for empty cells."""
HISTORY = "history.csv"
SPIKE = 0.5
"""A rise of the training loss by half of its total fall is more than noise between two epochs."""
BURST = 10.0
"""A burst is a gradient norm above ten times the median of earlier ones, and above the first, since norms begin largest."""
END = 4
"""The end of training is the last 1 / END of its epochs."""
_SHORTEST = 5
"""The number of evaluated epochs below which an end says little about how steady training is."""
_NOTHING = 1e-7
"""A loss below float32's relative rounding of a loss of 1 counts as this, so that rises of nothing are not told."""


@dataclass(frozen=True)
class Epochs:
    """What a report uses from a run's history.

    Attributes
    ----------
    highest, lowest : int or None
        The epochs, from 1, with the highest and the lowest monitored score, the first of equals. None without that score.
    spiked, burst : bool
        Whether the training loss, and the norm of the gradient, ever jumped: see `spikes` and `bursts`.
    damaged : str or None
        Why the history cannot be used: half a sentence.
    rebound : float or None
        How steady the training loss is in the last quarter of the epochs: see `rebound`. None if too few were evaluated.
    moves : Mapping
        For each score on validation data, such as `val_accuracy`, the mean square of its change from one evaluated epoch to
        the next, in that quarter. Without scores of too few epochs.
    """

    highest: int | None = None
    lowest: int | None = None
    spiked: bool = False
    burst: bool = False
    damaged: str | None = None
    rebound: float | None = None
    moves: Mapping[str, float] = field(default_factory=dict)

    def best(self, direction: int) -> int | None:
        """Returns the best epoch if higher (1) or lower (-1) scores are better; None if it is not known which (0)."""
        return {1: self.highest, -1: self.lowest}.get(direction)


def epochs_of(history: Path, config: Mapping[str, Any]) -> Epochs:
    """Returns what a report uses from a run's history. config: the run's."""
    table, damaged = read_history(history)
    first = [(score, -epoch) for epoch, score in scored(table, monitored(config))]
    return Epochs(
        -max(first)[1] if first else None,
        -max((-score, epoch) for score, epoch in first)[1] if first else None,
        spikes(table.get("train_loss", ())),
        bursts(table.get("grad_norm", ())),
        damaged,
        rebound(_end(table.get("train_loss", ()))),
        {name: _moved(end) for name, values in table.items() if name.startswith("val_") and (end := _end(values))},
    )


def monitored(config: Mapping[str, Any]) -> str:
    """Returns the column of a run's history by which its epoch was chosen."""
    train = config.get("train")
    part, _, metric = str(train.get("monitor", "val_loss") if isinstance(train, Mapping) else "val_loss").partition("_")
    return f"{part}_{metric}"


def read_history(history: Path) -> tuple[Columns, str | None]:
    """Returns the columns, and why they cannot be used: half a sentence, or None.

    A history without rows is valid, because a run may end before its first epoch. A report reads a thousand histories, so they
    are not read with pandas: cells are numbers and names, never quoted.
    """
    try:
        head, *lines = safely.content(history).decode().splitlines()
    except OSError as error:
        return {}, f"it cannot be read: {error.strerror}"
    except ValueError as error:  # UnicodeDecodeError is a ValueError, and unpacking an empty file raises one
        return {}, "it is not text" if isinstance(error, UnicodeDecodeError) else "it is empty"
    names = head.split(",")
    rows = []
    for place, line in enumerate(lines, 2):
        cells = line.split(",")
        if len(cells) != len(names):
            return {}, f"line {place} has {len(cells)} cells for {len(names)} columns"
        try:
            rows.append([float(cell) if cell else math.nan for cell in cells])
        except ValueError:
            return {}, f"line {place} has a cell that is not a number"
    if "epoch" not in names or len(set(names)) < len(names):
        return {}, "its first line does not name the columns"
    table = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}
    if table and not _rising(table["epoch"]):
        return {}, "its epochs are not 1, 2, 3 and so on"
    return table, None


def scored(table: Columns, score: str, by: str = "epoch") -> list[tuple[int, float]]:
    """Returns (epoch, score) for the epochs with a score, in order.

    by: the unit of the first number, `epoch`, or `updates` of the weights since training began, which older histories lack.
    """
    pairs = zip(table.get(by, ()), table.get(score, ()), strict=False)
    return [(int(at), value) for at, value in pairs if math.isfinite(at) and not math.isnan(value)]


def _rising(epochs: list[float]) -> bool:
    return epochs == [float(i) for i in range(1, len(epochs) + 1)]


def spikes(losses: Sequence[float]) -> bool:
    """Returns whether the loss ever rises by more than half of its fall so far, and by more than a tenth of its first value."""
    seen = [v for v in losses if v == v]
    low = math.inf
    for loss in seen:
        if low < seen[0] and loss - low > max(SPIKE * (seen[0] - low), 0.1 * abs(seen[0])):
            return True
        low = min(low, loss)
    return False


def bursts(norms: Sequence[float]) -> bool:
    """Returns whether a gradient norm ever exceeds ten times the median of those before it (at least three) and the first."""
    seen = [v for v in norms if v == v]
    before: list[float] = []
    for i, v in enumerate(seen):
        if i >= 3 and v > seen[0] and v > BURST * (before[(i - 1) // 2] + before[i // 2]) / 2:
            return True
        insort(before, v)
    return False


def rebound(losses: Sequence[float]) -> float | None:
    """Returns the most that a loss is above its lowest value before, as a ratio: 1 if it never rises.

    None without losses, and if one is negative, since such losses have no ratio.
    """
    low, most = math.inf, 1.0
    for loss in losses:
        if not loss >= 0:
            return None
        low = min(low, max(loss, _NOTHING))
        most = max(most, loss / low)
    return most if losses else None


def _end(values: Sequence[float]) -> list[float]:
    """Returns the values of the last quarter of the epochs, those that were evaluated; none if they are too few."""
    seen = [v for v in values[len(values) - len(values) // END :] if v == v]
    return seen if len(seen) >= _SHORTEST else []


def _moved(values: Sequence[float]) -> float:
    return sum((after - before) ** 2 for before, after in pairwise(values)) / (len(values) - 1)
