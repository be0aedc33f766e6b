"""Several comparisons at a glance: one row per comparison, one column per arm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dropbench.report.output.page.chart import KINDS
from dropbench.report.output.page.todo import to_use
from dropbench.report.tables.columns import ABSENT, verdict_word
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.facts import DOWNWARDS, UPWARDS, has_learned_nothing, size
from dropbench.report.tables.repeats import under_fresh_seeds
from dropbench.values import count, plain

MOST = 40
"""The most columns: a table of more arms cannot be taken in at a glance."""


@dataclass(frozen=True)
class Cell:
    """An arm in a comparison. says: its verdict; empty if the arm is not in the comparison."""

    kind: str = "none"
    sure: bool = False
    says: str = ""
    difference: str = ""


@dataclass(frozen=True)
class Row:
    """A comparison. todo: which arm to use until more is known. cells: one for each label of the matrix."""

    title: str
    todo: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Matrix:
    """The verdicts of all comparisons. labels: all arms beside the baselines, in the order in which they first appear."""

    labels: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def unsure(self) -> bool:
        """Whether any verdict has a question mark."""
        return any(cell.says.endswith("?") for row in self.rows for cell in row.cells)


def matrix(comparisons: Sequence[Comparison], own: str = "") -> Matrix | None:
    """Return the matrix of these comparisons; None if there is no verdict, or if there are too many arms. own: as in `todo`."""
    labels = list(dict.fromkeys(label for c in comparisons for label in c.verdicts))
    if not 0 < len(labels) <= MOST:
        return None
    rows = (Row(plain(c.title), plain(to_use(c, own)), tuple(_cell(c, label) for label in labels)) for c in comparisons)
    return Matrix(tuple(map(plain, labels)), tuple(rows))


def _cell(c: Comparison, label: str) -> Cell:
    contrast = c.verdicts.get(label)
    if contrast is None or (word := verdict_word(contrast)) == ABSENT:
        return Cell()
    difference = "" if math.isnan(contrast.difference.mean) else size(contrast)
    return Cell(KINDS.get(contrast.direction, "untold"), contrast.confirmed, word, difference)


def overall(comparisons: Sequence[Comparison]) -> str:
    """Return the finding over all comparisons in one line. Repeats under fresh seeds do not count as further comparisons."""
    told = [c for c in comparisons if c.verdicts and not c.fresh] or [c for c in comparisons if c.verdicts]
    if not told:
        return f"{count(len(comparisons), 'comparison')}, none with a verdict"
    ups = sum(_any(c, UPWARDS) for c in told)
    downs = sum(_any(c, DOWNWARDS) for c in told)
    n = len(told)
    if not ups and all(map(has_learned_nothing, told)):
        return "In every comparison the baseline has learned next to nothing, so nothing can be concluded yet"
    if not ups and not downs:
        return f"In {count(n, 'comparison')} no arm is confirmed to differ from its baseline"
    better, worse = ("better", "worse") if any(c.measure and c.measure.direction for c in told) else ("higher", "lower")
    some = f"In {'all' if ups == n else ups} of {n} comparisons an arm does {better} than its baseline"
    first = f"{some}{_under_fresh(told)}" if ups else f"In {n} comparisons no arm does {better} than its baseline"
    return first + (f"; in {'all' if downs == n else downs} of them an arm does {worse}" if downs else "")


def _under_fresh(told: Sequence[Comparison]) -> str:
    """Return what fresh seeds say where an arm did better, as a clause; empty if none were trained."""
    asked = [fresh for c in told if _any(c, UPWARDS) and (fresh := under_fresh_seeds(c))]
    held = sum(any(k.confirmed and k.direction in UPWARDS for k in fresh.values()) for fresh in asked)
    if not asked:
        return ""
    return (
        ", but not under fresh seeds" if not held else f", under fresh seeds too in {held} of {len(asked)} asked again"
    )


def _any(c: Comparison, ways: Sequence[str]) -> bool:
    return any(k.confirmed and k.direction in ways for k in c.verdicts.values())
