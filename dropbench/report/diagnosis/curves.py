"""Reads a run's curves: when a score is reached, and whether it was still improving."""

from __future__ import annotations

from collections.abc import Sequence

from dropbench.report.diagnosis.evidence import Curves
from dropbench.report.records.measures import Measure

AT_THE_END = 0.9
"""If the best epoch is in the last tenth of training, longer training may be better still."""


def both_reach(ours: Curves, theirs: Curves, measure: Measure) -> tuple[int, int] | None:
    """Return the first epochs, from 1, with the score that both runs reach, or None if a run has no scores.

    That score is the lower of the two best.
    """
    sign, column = measure.direction, str(measure)
    best = [max((sign * v for v in c.get(column, ()) if v == v), default=None) for c in (ours, theirs)]
    if best[0] is None or best[1] is None:
        return None
    score = min(best[0], best[1])
    first = [
        next(int(at) for at, v in zip(c["epoch"], c[column], strict=True) if sign * v >= score) for c in (ours, theirs)
    ]
    return first[0], first[1]


def ends_at_best(runs: Sequence[Curves], measure: Measure) -> bool:
    """Return whether at least half of the runs had their best epoch in the last tenth of training."""
    sign, column = measure.direction, str(measure)
    late = 0
    for curves in runs:
        scored = [(sign * v, -at) for at, v in zip(curves["epoch"], curves.get(column, ()), strict=False) if v == v]
        late += bool(scored) and -max(scored)[1] > AT_THE_END * curves["epoch"][-1]
    return 2 * late >= len(runs) > 0
