"""Which of several arms may be the best one, for all that the seeds can tell.

Multiple comparisons with the best (Hsu, Multiple Comparisons, 1996): an arm is left out where another is better than it for
sure, corrected over all others. The truly best arm is then left out in at most 5 % of studies, whichever it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from dropbench.report.records.measures import Measure
from dropbench.report.records.scores import Diverged, Floats, ScoresOf
from dropbench.report.statistics.contrast import Expression, Minus
from dropbench.report.statistics.judged import judged

RESAMPLES = 9_999


def beaten(
    labels: Sequence[str],
    measure: Measure,
    scores: ScoresOf,
    diverged: Diverged,
    widened: Callable[[Expression], float] = lambda _: 1.0,
) -> Mapping[str, str]:
    """By label the arm that is better for sure, with the smallest p where several are; those with none may be the best.

    measure: one of which it is known which way is better. The rest is as in `contrast.judged`.
    """
    found: dict[str, str] = {}
    for label in labels:
        others = [other for other in labels if other != label]
        contrasts = judged([Minus(other, label, measure) for other in others], scores, 0.0, diverged, widened=widened)
        better = [c for c in contrasts if c.confirmed and c.direction == "better"]
        if better:
            surest = min(better, key=lambda c: c.difference.p)
            found[label] = others[contrasts.index(surest)]
    return found


def shares(merits: Floats) -> list[float]:
    """How often each column of [seeds, arms] has the highest mean when seeds are drawn anew, with replacement.

    Of equal means each has its part. NaN with fewer than two seeds.
    """
    n, k = merits.shape
    if n < 2 or not np.isfinite(merits).all():
        return [math.nan] * k
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    means = weights @ merits / n
    top = np.isclose(means, means.max(axis=1, keepdims=True), rtol=1e-12, atol=0)
    return [float(share) for share in (top / top.sum(axis=1, keepdims=True)).mean(0)]
