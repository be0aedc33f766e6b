"""Standard errors of a mean difference: over seeds alone, and over seeds and test examples.

Each seed draws its split from one pool of examples, or all seeds read one fixed test split. Either way two seeds share test
examples, so the same chance effect of these examples is in both differences. The spread over seeds does not show this effect,
and more seeds do not reduce it.

The model is the two-way layout of seeds and examples (Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1):
the difference of example i under seed s is mean + a_i + b_s + e_si. D_s is the mean of these differences over the examples
that seed s tests. The mean of D_s over seeds has

    variance = E(s² / n) + mean over pairs of seeds of cov(D_s, D_t),    cov(D_s, D_t) = var(a) · |both| / (|s| · |t|)

where s² is the variance of D_s over n seeds. An interval over seeds assumes that the first part is all. The second part is
estimated from products: the differences of each example under two seeds, after each seed's mean is subtracted. Two-way
cluster-robust variance (Cameron, Gelbach & Miller 2011, J. Business & Economic Statistics 29) calls it V_examples - V_both;
here it is corrected for the bias of few seeds and small test splits. docs/statistics.md compares it with the pigeonhole
bootstrap by simulation.

If an example is either right or wrong, the effect may come from a few examples in a hundred, and a small test split may contain
none of them. var(a) is therefore taken to be at least what one such example would make it: 1 / examples. Likewise, if all seeds
agree, s² is taken to be what a single seed with one more right example would make it (`difference.agreeing`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dropbench.report.records.scores import Floats


class Differences(NamedTuple):
    """Arm minus baseline for each example that one seed tests.

    rows: [m] int, indices of the examples in the pool, without repeats. values: [m], the difference in each example's score.
    """

    rows: NDArray[np.integer[Any]]
    values: Floats


class Error(NamedTuple):
    """Standard errors of a mean difference, in the measure's unit.

    seeds: over seeds alone, sd / √n, with the test examples fixed. both: over seeds and examples, never smaller.
    """

    seeds: float
    both: float

    @property
    def factor(self) -> float:
        """`both` / `seeds`, at least 1; infinite if all seeds agree but the examples do not."""
        if self.both == self.seeds:
            return 1.0
        return self.both / self.seeds if self.seeds else math.inf


def error(by_seed: Sequence[Differences], span: float = 0.0) -> Error:
    """Return the standard errors of the mean over seeds of each seed's mean difference.

    They are NaN with fewer than two seeds, or if a seed tests no example.

    Parameters
    ----------
    by_seed : sequence of Differences
        One element per seed. The test splits may be equal, overlap or be disjoint, and may differ in size.
    span : float
        The absolute difference of an example on which arm and baseline disagree, if it is a constant: 1 if predictions are
        right or wrong. 0 if it is not constant.
    """
    n, sizes = len(by_seed), np.array([len(d.rows) for d in by_seed])
    if n < 2 or not sizes.all():
        return Error(math.nan, math.nan)
    rows, pairs = [d.rows for d in by_seed], n * (n - 1)
    means = np.array([d.values.mean() for d in by_seed])
    of_seeds = float(means.var(ddof=1)) / n
    step = span / float(sizes.mean())
    if math.sqrt(of_seeds) < 1e-6 * step:  # seeds that agree are taken to differ in one example of one seed
        of_seeds = (step / n) ** 2
    weights = [np.full(m, 1 / m) for m in sizes]
    by_row = _by_row(rows, weights)
    shared = _between(by_row, weights) / pairs
    # The subtracted mean of a seed contains a part of each a_i, so only this share of var(a) remains in the products.
    kept = 1 - 2 * float((1 / sizes).mean()) + shared
    centred = [(d.values - mean) / len(d.rows) for d, mean in zip(by_seed, means, strict=True)]
    covariance = _between(_by_row(rows, centred), centred) / pairs / kept if kept > 0 else 0.0
    of_one = shared * span**2 / np.count_nonzero(by_row)
    return Error(math.sqrt(of_seeds), math.sqrt(of_seeds + max(covariance, of_one)))


def _by_row(rows: Sequence[NDArray[np.integer[Any]]], values: Sequence[Floats]) -> Floats:
    """Return the sum of the values over seeds for each row of the pool."""
    total = np.zeros(max(int(r.max()) for r in rows) + 1)
    for tested, v in zip(rows, values, strict=True):
        total[tested] += v  # a seed tests a row once
    return total


def _between(by_row: Floats, values: Sequence[Floats]) -> float:
    """Return the sum, over ordered pairs of seeds and the rows that both test, of the products of their values."""
    return float(by_row @ by_row - sum(v @ v for v in values))
