"""A report says what a constant answer would reach, and in its short form where an accuracy is hardly more than that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dropbench.report import build, render
from dropbench.store import Record, Store

ARM = {"dropout": "standard", "dropout.rate": 0.5}


def notes(store: Store) -> tuple[list[str], list[str]]:
    """The notes on the most frequent class, in full and in short."""
    (c,) = build([store.root]).comparisons
    full, brief = ([n for n in notes if "most frequent class" in n] for notes in (c.notes, c.brief))
    return full, brief


@pytest.mark.parametrize(
    ("majority", "baseline", "arm", "ends"),
    [
        (
            0.7,
            0.73,
            0.95,
            "; the baseline (no dropout) reaches 73.0 %, which is little more.",
        ),  # 3 of the 30 points that are left
        (0.7, 0.70, 0.71, "; the baseline (no dropout) reaches 70.0 %, which is no more."),
        (0.7, 0.60, 0.95, "; the baseline (no dropout) reaches 60.0 %, which is no more."),
        (0.7, 0.80, 0.71, None),  # a third of the errors is gone
        (0.97, 0.99, 0.99, None),  # two points, and two thirds of the errors
        (0.1, 0.30, 0.30, "; the baseline (no dropout) reaches 30.0 %, which is little more."),
    ],
)
def test_an_accuracy_near_that_of_a_constant_answer_is_told(
    majority: float,
    baseline: float,
    arm: float,
    ends: str | None,
    fake: Callable[..., Record],
    put: Callable[..., None],
    store: Store,
) -> None:
    """A newcomer with classes of 70 and 30 % took 73 % for a good score."""
    for seed in range(2):
        said = {"majority": majority + (-1) ** seed / 100, "answered": 0.8}  # splits differ a little
        put(fake(seed, test=baseline, test_classes=said), fake(seed, changes=ARM, test=arm, test_classes=said))
    (full,), brief = notes(store)
    begins = f"Always answering the most frequent class would be right on {100 * majority:.1f} % of the test examples"
    assert full.startswith(begins)
    assert brief == ([f"{begins}{ends}"] if ends else [])
    shown = " ".join(render(build([store.root]), "rich", 100).split())
    assert (begins in shown) is bool(ends)
    if ends:
        assert full.endswith("Balanced accuracy counts every class the same: metric=[loss,accuracy,balanced_accuracy].")


def test_without_a_baseline_the_best_arm_counts(
    fake: Callable[..., Record], put: Callable[..., None], store: Store
) -> None:
    said = {"majority": 0.7, "answered": 0.8}
    for rate, test in ((0.1, 0.71), (0.2, 0.95)):
        put(fake(0, changes={**ARM, "dropout.rate": rate}, test=test, test_classes=said))
    full, brief = notes(store)
    assert len(full) == 1 and brief == []


def test_a_collapsed_arm_is_told_once(fake: Callable[..., Record], put: Callable[..., None], store: Store) -> None:
    put(*(fake(seed, test=0.7, test_classes={"majority": 0.7, "answered": 1.0}) for seed in range(2)))
    (full,), (brief,) = notes(store)
    assert full == brief and full.startswith("The same class is predicted")


def test_older_records_and_numbers_say_nothing(
    fake: Callable[..., Record], put: Callable[..., None], store: Store
) -> None:
    put(*(fake(seed, changes=changes) for seed in range(2) for changes in ({}, ARM)))
    assert notes(store) == ([], [])
    known = fake(7, test_classes={"majority": 0.7, "answered": 0.8})
    put(replace(known, metrics={k: v for k, v in known.metrics.items() if "accuracy" not in k}))
    assert notes(store)[1] == []
