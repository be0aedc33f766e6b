"""A report says which arms answer every test example with the same class: their accuracy looks like a good one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dropbench.report import build
from dropbench.store import Record, Store

ARM = {"dropout": "standard", "dropout.rate": 0.5}
N = 10_000


def notes(store: Store) -> list[str]:
    return [n for n in build([store.root], [], None).comparisons[0].notes if "same class" in n]


def said(answered: float, majority: float = 0.967) -> dict[str, float]:
    return {"majority": majority, "answered": answered}


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        ([1.0, 1.0, 1.0], "standard 0.5 in 3 of 3 seeds"),
        ([1.0, 1 - 1 / N, 0.9], "standard 0.5 in 2 of 3 seeds"),
        ([1.0, 1 - 2 / N, 0.9], None),
        ([0.9, 0.967, 0.97], None),  # as often as the most frequent class is there, but not always
    ],
)
def test_most_seeds_but_for_one_example(
    answered: list[float], told: str | None, fake: Callable[..., Record], put: Callable[..., None], store: Store
) -> None:
    put(*(fake(seed, test_classes=said(0.5)) for seed in range(3)))
    put(*(fake(seed, changes=ARM, test=0.967, test_classes=said(a)) for seed, a in enumerate(answered)))
    found = notes(store)
    assert bool(found) is (told is not None)
    if told is not None:
        assert f" by {told}: the accuracy" in found[0] and "has 96.7 %)" in found[0]
        assert found[0].endswith("Look at balanced accuracy: metric=[loss,accuracy,balanced_accuracy].")


def test_where_balanced_accuracy_was_measured_it_is_a_click_away(
    fake: Callable[..., Record], put: Callable[..., None], store: Store
) -> None:
    for seed in range(2):
        record = fake(seed, test_classes=said(1.0, 0.9 + seed / 100))
        put(replace(record, metrics={**record.metrics, "test_balanced_accuracy": 0.5}))
    (note,) = notes(store)
    assert note.endswith("Look at balanced accuracy: --metric balanced_accuracy.") and "90.0 to 91.0 %" in note


def test_a_record_of_before_is_read_and_says_nothing_of_it(
    fake: Callable[..., Record], put: Callable[..., None], store: Store
) -> None:
    put(*(fake(seed, changes=changes, test=0.967) for seed in range(3) for changes in ({}, ARM)))
    assert not notes(store)


def test_a_stored_record_keeps_it_and_it_is_no_metric(
    fake: Callable[..., Record], put: Callable[..., None], store: Store
) -> None:
    put(record := fake(0, test_classes=said(0.7)))
    assert store.find(record.run_id) == record
    report = build([store.root], [], None)
    assert not [c for c in report.comparisons[0].table.columns if "majority" in c or "answered" in c]
    with pytest.raises(ValueError, match=r"'answered' of the test examples is 1\.2"):
        put(fake(1, test_classes=said(1.2)))
