"""Whether runs of other seeds look at the same inputs: the rank correlation of the maps that `metric=attribution` left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dropbench.report.records.frame import by_label
from dropbench.report.records.scores import Floats

ROW = "test_attribution_map"


class Agreement(NamedTuple):
    """Of an arm: the mean correlation of two of its runs, its standard error, the lowest, and of how many runs."""

    mean: float
    se: float
    low: float
    seeds: float


def agreements(runs: pd.DataFrame, labels: Sequence[str]) -> dict[str, Agreement]:
    """For each label. Empty where no arm has two maps.

    runs: with `label` and `arrays`, a row a seed. NaN where an arm has too few: two for a correlation, three for an error.
    Seeds differ in all that they draw, so in their training examples too unless `data.split_seed` is set.
    """
    found, arrays = {}, by_label(runs, "arrays")
    for label in labels:
        between = correlations(arrays.get(label, []))
        found[label] = Agreement(*summary(between), float(len(between)))
    return found if any(each.seeds >= 2 for each in found.values()) else {}


def correlations(arrays: Sequence[Mapping[str, Any]]) -> Floats:
    """Spearman's, between the maps of any two runs that have one: [runs, runs].

    arrays: the records'. A map that is constant, not of numbers, or of another length than the first left out has none.
    """
    maps = [np.asarray(each.get(ROW, ()), dtype=float) for each in arrays]
    sound = [m for m in maps if len(m) > 1 and np.isfinite(m).all() and m.min() < m.max()]
    alike = [m for m in sound if len(m) == len(sound[0])]
    if not alike:
        return np.empty((0, 0))
    # By pandas: scipy.stats takes longer to load than the rest of a report.
    ranks: Floats = pd.DataFrame(np.array(alike)).rank(axis=1).to_numpy()
    ranks = ranks - ranks.mean(1, keepdims=True)
    ranks /= np.sqrt(np.square(ranks).sum(1, keepdims=True))
    between: Floats = ranks @ ranks.T
    return between


def summary(between: Floats) -> tuple[float, float, float]:
    """Mean, standard error and minimum over pairs of runs.

    Pairs share runs, so the error is not that of a mean over pairs: it is the jackknife's, a run left out at a time.
    """
    n = len(between)
    if n < 2:
        return float("nan"), float("nan"), float("nan")
    of_run = between.sum(1) - between.diagonal()
    total = of_run.sum()
    low = float(between[np.triu_indices(n, 1)].min())
    if n < 3:
        return float(total / 2), float("nan"), low
    without = (total - 2 * of_run) / ((n - 1) * (n - 2))
    error = np.sqrt((n - 1) / n * np.square(without - without.mean()).sum())
    return float(total / (n * (n - 1))), float(error), low
