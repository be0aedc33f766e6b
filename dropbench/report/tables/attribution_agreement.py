"""Whether runs under different seeds rely on the same inputs: rank correlation of the maps stored by `metric=attribution`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dropbench.report.records.frame import by_label
from dropbench.report.records.scores import Floats

ROW = "test_attribution_map"


class Agreement(NamedTuple):
    """An arm's mean correlation over pairs of its runs, its standard error, the lowest correlation, and the number of runs."""

    mean: float
    se: float
    low: float
    seeds: float


def agreements(runs: pd.DataFrame, labels: Sequence[str]) -> dict[str, Agreement]:
    """Return the Agreement of each label; empty if no arm has two maps.

    runs: a frame with the columns `label` and `arrays`, one row per seed. Values are NaN if an arm has too few maps: a
    correlation takes two, a standard error three. Seeds differ in everything that is random, including the training examples
    unless `data.split_seed` is set.
    """
    found, arrays = {}, by_label(runs, "arrays")
    for label in labels:
        between = correlations(arrays.get(label, []))
        found[label] = Agreement(*summary(between), float(len(between)))
    return found if any(each.seeds >= 2 for each in found.values()) else {}


def correlations(arrays: Sequence[Mapping[str, Any]]) -> Floats:
    """Return Spearman's correlations between the maps of any two runs, [runs, runs].

    arrays: the arrays of each record. Maps that are missing, constant or not finite, or that differ in length from the first
    usable map, are left out.
    """
    maps = [np.asarray(each.get(ROW, ()), dtype=float) for each in arrays]
    sound = [m for m in maps if len(m) > 1 and np.isfinite(m).all() and m.min() < m.max()]
    alike = [m for m in sound if len(m) == len(sound[0])]
    if not alike:
        return np.empty((0, 0))
    # pandas computes the ranks, because scipy.stats takes longer to load than the rest of a report.
    ranks: Floats = pd.DataFrame(np.array(alike)).rank(axis=1).to_numpy()
    ranks = ranks - ranks.mean(1, keepdims=True)
    ranks /= np.sqrt(np.square(ranks).sum(1, keepdims=True))
    between: Floats = ranks @ ranks.T
    return between


def summary(between: Floats) -> tuple[float, float, float]:
    """Return the mean, its standard error and the minimum over pairs of runs.

    Pairs share runs and are not independent, so the standard error is the jackknife's, which leaves out one run at a time.
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
