"""Stored bins: what is made of them, what is not trusted, and the diagram that is drawn of them."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dropbench import report
from dropbench.report.output.figures import draw
from dropbench.report.output.figures.picture import Picture
from dropbench.report.records.calibration import PARTS, bins, ece
from dropbench.report.statistics.interval import interval

Arrays = dict[str, list[float]]


def stored(examples: list[float], confidence: list[float], right: list[float]) -> Arrays:
    return {f"test_reliability_{p}": row for p, row in zip(PARTS, (examples, confidence, right), strict=True)}


def test_ece_by_hand() -> None:
    # .25 and .2 of ten examples in a bin: (4 · |.25 - .5| + 6 · |.9 - .7|) / 10.
    found = bins([stored([4, 6], [4 * 0.25, 6 * 0.9], [2, 4.2])])
    assert found.shape == (1, 3, 2)
    assert ece(found)[0] == pytest.approx((4 * 0.25 + 6 * 0.2) / 10)


@given(
    st.lists(st.tuples(st.floats(0.001, 1), st.booleans()), min_size=1, max_size=50),
    st.integers(1, 20),
)
def test_bins_of_examples_one_by_one(answers: list[tuple[float, bool]], count: int) -> None:
    """Binned by hand: the error is the mean distance, and within 0 and 1."""
    rows = np.zeros((3, count))
    for confidence, right in answers:
        rows[:, min(count - 1, math.ceil(confidence * count) - 1)] += (1, confidence, right)
    (found,) = ece(bins([stored(*rows.tolist())]))
    by_hand = sum(n * abs(c / n - r / n) for n, c, r in rows.T if n) / len(answers)
    assert found == pytest.approx(by_hand, abs=1e-12)
    assert 0 <= found <= 1 + 1e-12


GOOD = stored([4, 6], [1.0, 5.4], [2, 4])
BAD: list[Any] = [
    {},
    {"test_reliability_examples": [4.0, 6.0]},
    GOOD | {"test_reliability_right": [2.0]},
    GOOD | {"test_reliability_right": [2.0, 7.0]},
    GOOD | {"test_reliability_confidence": [1.0, math.nan]},
    GOOD | {"test_reliability_confidence": [-1.0, 5.4]},
    stored([0, 0], [0, 0], [0, 0]),
    stored([], [], []),
]


def test_what_is_no_set_of_bins_is_left_out() -> None:
    assert bins([GOOD, *BAD, GOOD]).tolist() == bins([GOOD, GOOD]).tolist()
    assert bins(BAD).shape[0] == 0
    assert len(bins([GOOD, stored([1, 1, 1], [0.3, 0.5, 0.9], [0, 1, 1])])) == 1


def arrays(seed: int, too_sure: float) -> Arrays:
    """Fifteen bins whose examples are right less often, by `too_sure`, than they are sure."""
    examples = np.array([1, 2, 3, 5, 9, 20, 30, 40, 50, 70, 90, 120, 160, 240, 500.0]) + seed
    sure = (np.arange(15) + 0.5) / 15
    right = np.maximum(0, sure - too_sure * (1 + 0.1 * math.sin(seed)))
    return stored(examples.tolist(), (examples * sure).tolist(), (examples * right).tolist())


@pytest.fixture
def made(fake: Any, put: Any, store: Any) -> report.Report:
    for seed in range(7):
        put(fake(seed, arrays=arrays(seed, 0.02)))
        put(fake(seed, changes={"dropout": "standard", "dropout.rate": 0.5}, arrays=arrays(seed, 0.1)))
    return report.build([Path(store.root)])


def diagram(made: report.Report) -> Picture:
    (found,) = draw(made)
    return next(p for p in found if p.name == "reliability")


def test_the_diagram_says_the_error_with_its_interval(made: Any) -> None:
    picture = diagram(made)
    errors = ece(bins([arrays(seed, 0.1) for seed in range(7)]))
    limits = interval(errors)
    words = f"ECE {errors.mean():.3f} ({limits.low:.3f} to {limits.high:.3f})"
    drawn = "".join(ElementTree.fromstring(picture.svg()).itertext())
    assert words in drawn and words.replace(" (", ", 95 % interval (") in picture.alt
    for told in ("standard 0.5: ECE", "none: ECE", "n = 7", "mean confidence", "accuracy"):
        assert told in picture.alt
    assert {"none (n = 7)", "standard 0.5 (n = 7)"} <= {text.strip() for text in drawn.split("\n")}


def test_bars_are_the_bins_of_all_seeds_together(made: Any) -> None:
    axes = diagram(made).figure.axes
    total = sum(bins([arrays(s, 0.02) for s in range(7)]))
    solid = [b for b in axes[0].patches if b.get_alpha()]
    assert [b.get_height() for b in solid] == pytest.approx((total[2] / total[0])[total[0] >= 30].tolist())
    assert len(solid) < 15  # the others are outlines
    histogram = next(a for a in axes if a.get_ylabel() == "share")
    assert [b.get_height() for b in histogram.patches] == pytest.approx((total[0] / total[0].sum()).tolist())


def test_the_bars_can_be_told_apart_in_grey(made: Any) -> None:
    grey = np.asarray(Image.open(io.BytesIO(diagram(made).png(80))).convert("L"), dtype=float)
    levels, counts = np.unique(grey[: len(grey) // 2].round(-1), return_counts=True)
    common = levels[counts > 0.002 * counts.sum()]
    assert len(common) >= 3 and common.max() - common.min() > 100


def test_runs_without_bins_have_no_diagram_and_no_harm(fake: Any, put: Any, store: Any) -> None:
    put(fake(0), fake(1, arrays={"test_reliability_examples": [1.0]}))
    assert "reliability" not in [p.name for section in draw(report.build([store.root])) for p in section]
    put(fake(2, arrays=arrays(0, 0.1)))
    alt = diagram(report.build([store.root])).alt
    assert "n = 1" in alt and "interval" not in alt


@pytest.mark.parametrize("arms", [1, 4, 11])
def test_any_number_of_arms(fake: Any, put: Any, store: Any, arms: int) -> None:
    changes = [{"dropout": "standard", "dropout.rate": 0.05 * i} for i in range(1, arms)]
    put(*(fake(0, changes=c, arrays=arrays(0, 0.1)) for c in ({}, *changes)))
    picture = diagram(report.build([store.root]))
    assert len(picture.figure.axes) == 2 * min(arms, 9)
    assert ("2 more arms are not shown" in picture.alt) is (arms == 11)


def test_it_is_in_the_page_with_its_words(made: Any) -> None:
    page = report.render(made, "html")
    assert "Accuracy by confidence, with the expected calibration error (ECE)" in page
    assert 'aria-label="Reliability diagram of the test split' in page
