"""The set of arms that may be the best: by hand, and how often it holds the one that is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dropbench.report.records.measures import Measure
from dropbench.report.statistics.best import beaten, shares
from dropbench.store import Measure as Declaration

HIGH, LOW = (Measure("test", "merit", Declaration(d)) for d in ("higher", "lower"))


def left_out(table: np.ndarray, measure: Measure = HIGH) -> dict[str, str]:
    """table: [seeds, arms]."""
    labels = [*"abcdefgh"[: table.shape[1]]]
    by_label = {label: dict(enumerate(table[:, i].tolist())) for i, label in enumerate(labels)}
    return dict(beaten(labels, measure, lambda label, _: by_label[label], lambda _: ()))


def test_what_is_worse_for_sure_is_left_out_and_by_which() -> None:
    rng = np.random.default_rng(0)
    table = np.array([0.0, 1.0, 1.01]) + rng.normal(0, 0.05, (10, 3)) + rng.normal(0, 9, (10, 1))
    assert left_out(table).keys() == {"a"} and left_out(table)["a"] in "bc"
    assert left_out(-table, LOW) == left_out(table)
    assert left_out(table, LOW) == {"b": "a", "c": "a"}
    assert left_out(table[:5]) == {}, "five seeds leave nothing out"


def test_shares_are_those_of_all_resamples() -> None:
    """Of four seeds there are 4^4 resamples, which can be gone through."""
    table = np.array([[0.3, 0.1, 0.2], [0.0, 0.4, 0.1], [0.2, 0.2, 0.3], [0.1, 0.1, 0.1]])
    counts = np.zeros(3)
    for rows in itertools.product(range(4), repeat=4):
        means = table[[*rows]].mean(0)
        top = np.isclose(means, means.max())
        counts += top / top.sum()
    assert shares(table) == pytest.approx([*(counts / 4**4)], abs=0.015)
    assert sum(shares(table)) == pytest.approx(1)
    assert np.isnan(shares(table[:1])).all() and np.isnan(shares(table - np.inf)).all()


@pytest.mark.parametrize("lead", [0.0, 0.5])
def test_the_best_is_seldom_left_out(lead: float) -> None:
    """100 studies of 8 seeds and 4 arms, of which one leads by so many sd. Were 5 % left out, 12 or more are in one of 230."""
    rng = np.random.default_rng(1)
    tables = rng.normal(0, 1, (100, 8, 4)) + np.array([lead, 0, 0, 0])
    assert sum("a" in left_out(table) for table in tables) < 12
