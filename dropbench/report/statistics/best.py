"""The arms that may be the best of several, given the seeds so far.

The method is multiple comparisons with the best (Hsu, Multiple Comparisons, 1996). An arm is excluded if another arm is
confirmed to be better, corrected over all other arms. The truly best arm is then excluded in at most 5 % of studies.
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
    """Return, by label, an arm that is confirmed to be better, the one with the smallest p; unlisted arms may be the best.

    measure: a measure with a known better direction. The other parameters are as in `judged.judged`.
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
    """Return how often each column of [seeds, arms] has the highest mean when the seeds are resampled with replacement.

    Columns with equal highest means share the count. NaN with fewer than two seeds, or if a value is not finite.
    """
    n, k = merits.shape
    if n < 2 or not np.isfinite(merits).all():
        return [math.nan] * k
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    means = weights @ merits / n
    top = np.isclose(means, means.max(axis=1, keepdims=True), rtol=1e-12, atol=0)
    return [float(share) for share in (top / top.sum(axis=1, keepdims=True)).mean(0)]
