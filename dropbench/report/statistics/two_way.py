"""How far a mean difference may be off for other seeds alone, and for other seeds and other test examples.

Seeds redraw their splits from one pool of examples, or all read one fixed test split. Either way two seeds share test
examples, so their differences share the luck of these: the spread over seeds does not show it, and more seeds do not lessen it.

The model is the two-way layout of seeds and examples (Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1):
the difference of example i under seed s is mean + a_i + b_s + e_si. Of the mean over seeds of D_s = mean over the examples i
that seed s tests,

    variance = E(s² / n) + mean over pairs of seeds of cov(D_s, D_t),    cov(D_s, D_t) = var(a) · |both| / (|s| · |t|)

where s² is the variance of D_s over n seeds. The first part is what an interval over seeds takes for the whole. The second is
estimated from the products of the differences of each example under two seeds, less each seed's mean: it is what two-way
cluster-robust variance (Cameron, Gelbach & Miller 2011, J. Business & Economic Statistics 29) calls V_examples - V_both, freed
of the bias of few seeds and small test splits. docs/statistics.md compares it with the pigeonhole bootstrap by simulation.

Where scores are right or wrong, the effect may rest on a few examples in a hundred, of which a small test split may hold none;
var(a) is then taken to be what it would be if it held one: 1 / examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dropbench.report.records.scores import Floats


class Differences(NamedTuple):
    """Arm minus baseline of each example that one seed tests.

    rows: [m] int, which examples of the pool, each once. values: [m], the difference of each one's score.
    """

    rows: NDArray[np.integer[Any]]
    values: Floats


class Error(NamedTuple):
    """Standard errors of a mean difference, in the measure's unit.

    seeds: over seeds alone, sd / √n: for these examples. both: over seeds and examples, never less.
    """

    seeds: float
    both: float

    @property
    def factor(self) -> float:
        """How many times `seeds` is `both`: 1 or more; infinite where all seeds agree and the examples do not."""
        if self.both == self.seeds:
            return 1.0
        return self.both / self.seeds if self.seeds else math.inf


def error(by_seed: Sequence[Differences], span: float = 0.0) -> Error:
    """The standard errors of the mean over seeds of each seed's mean; NaN of fewer than two, or of one that tests nothing.

    Parameters
    ----------
    by_seed : sequence of Differences
        Of each seed. Their test splits may be equal, overlap or be disjoint, and of several sizes.
    span : float
        How far one example's difference is from zero where arm and baseline disagree on it, if that is one number: 1 where
        they are right or wrong. 0: no such number.
    """
    n, sizes = len(by_seed), np.array([len(d.rows) for d in by_seed])
    if n < 2 or not sizes.all():
        return Error(math.nan, math.nan)
    rows, pairs = [d.rows for d in by_seed], n * (n - 1)
    means = np.array([d.values.mean() for d in by_seed])
    of_seeds = float(means.var(ddof=1)) / n
    weights = [np.full(m, 1 / m) for m in sizes]
    by_row = _by_row(rows, weights)
    shared = _between(by_row, weights) / pairs
    # A seed's own mean, which is taken off, holds a part of each a_i: without it this would be 1.
    kept = 1 - 2 * float((1 / sizes).mean()) + shared
    centred = [(d.values - mean) / len(d.rows) for d, mean in zip(by_seed, means, strict=True)]
    covariance = _between(_by_row(rows, centred), centred) / pairs / kept if kept > 0 else 0.0
    of_one = shared * span**2 / np.count_nonzero(by_row)
    return Error(math.sqrt(of_seeds), math.sqrt(of_seeds + max(covariance, of_one)))


def _by_row(rows: Sequence[NDArray[np.integer[Any]]], values: Sequence[Floats]) -> Floats:
    """The sum over seeds, for each row of the pool."""
    total = np.zeros(max(int(r.max()) for r in rows) + 1)
    for tested, v in zip(rows, values, strict=True):
        total[tested] += v  # a seed tests a row once
    return total


def _between(by_row: Floats, values: Sequence[Floats]) -> float:
    """The sum over ordered pairs of seeds, and over the rows that both test, of the products of two values."""
    return float(by_row @ by_row - sum(v @ v for v in values))
