"""The rank correlation of maps between seeds: against SciPy, what is left out, and where it is shown."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from dropbench import report
from dropbench.report.tables.attribution_agreement import ROW, correlations, summary

ARRAYS = [{ROW: m.tolist()} for m in np.random.default_rng(0).integers(0, 6, (7, 40)).astype(float)]  # with ties


def test_against_scipy() -> None:
    found = correlations(ARRAYS)
    pairs = [spearmanr(a[ROW], b[ROW]).statistic for a, b in itertools.combinations(ARRAYS, 2)]
    assert found[np.triu_indices(7, 1)] == pytest.approx(pairs)
    mean, error, low = summary(found)
    assert mean == pytest.approx(np.mean(pairs)) and low == pytest.approx(min(pairs))
    without = []
    for left_out in range(7):
        rest = [a[ROW] for i, a in enumerate(ARRAYS) if i != left_out]
        without.append(np.mean([spearmanr(a, b).statistic for a, b in itertools.combinations(rest, 2)]))
    assert error == pytest.approx(np.sqrt(6 / 7 * np.square(np.array(without) - np.mean(without)).sum()))


def test_the_jackknife_is_the_spread_of_studies() -> None:
    """Over 400 studies of 8 runs around one map: its square is on average the variance of the mean, or somewhat more."""
    generator = np.random.default_rng(1)
    common = generator.normal(size=60)
    found = [
        summary(
            correlations(
                [{ROW: (common + s * generator.normal(size=60)).tolist()} for s in generator.uniform(0.5, 2, 8)]
            )
        )
        for _ in range(400)
    ]
    means, errors = np.array(found)[:, 0], np.array(found)[:, 1]
    assert 0.85 < np.sqrt(np.square(errors).mean()) / means.std(ddof=1) < 1.3


def test_few_runs() -> None:
    assert np.isnan(summary(correlations(ARRAYS[:1]))).all() and np.isnan(summary(correlations([]))).all()
    mean, error, low = summary(correlations(ARRAYS[:2]))
    assert [mean, low] == pytest.approx([spearmanr(ARRAYS[0][ROW], ARRAYS[1][ROW]).statistic] * 2)
    assert np.isnan(error)


def test_what_is_no_map_is_left_out() -> None:
    bad = [{}, {ROW: []}, {ROW: [1.0] * 40}, {ROW: [1.0, 2.0]}, {ROW: [float("nan")] * 40}]
    assert correlations([*bad[:3], *ARRAYS, *bad[3:]]) == pytest.approx(correlations(ARRAYS))


def test_shown_where_there_are_maps(fake: Any, put: Any, store: Any) -> None:
    put(*(fake(s, arrays=ARRAYS[s]) for s in range(3)))
    dropped = {"dropout": "standard", "dropout.rate": 0.5}
    put(*(fake(s, changes=dropped) for s in range(3)))
    told = report.render(report.build([store.root], []), "json")
    assert json.loads(told) and "attribution_stability_mean" in told and "NaN" not in told
    text = report.render(report.build([store.root], []), "markdown")
    assert "Input gradients of two seeds" in text


def test_not_shown_where_there_are_none(fake: Any, put: Any, store: Any) -> None:
    put(*(fake(s) for s in range(3)))
    assert "Input gradients" not in report.render(report.build([store.root], []), "markdown")
