"""Learned rates are told under the table of the arms that learned them."""

from __future__ import annotations

from collections.abc import Callable

from dropbench.report import build
from dropbench.store import Record, Store

CONCRETE = {"dropout": "concrete", "dropout.rate": 0.1}


def test_mean_and_spread_of_each_site(fake: Callable[..., Record], put: Callable[..., None], store: Store) -> None:
    rates = [{"hidden.0": 0.2, "hidden.1": 0.4}, {"hidden.0": 0.3, "hidden.1": 0.4}]
    put(*(fake(seed, changes=CONCRETE, learned_rates=r) for seed, r in enumerate(rates)), fake(0), fake(1))
    notes = build([store.root], [], None).comparisons[0].notes
    (note,) = [n for n in notes if "Learned" in n]
    assert note.startswith("Learned rates of concrete") and "hidden.0 0.250 ± 0.071, hidden.1 0.400 ± 0.000." in note


def test_nothing_is_told_of_rates_that_were_given(
    fake: Callable[..., Record], put: Callable[..., None], store: Store
) -> None:
    put(fake(0), fake(1))
    assert not any("Learned" in n for n in build([store.root], [], None).comparisons[0].notes)


def test_a_stored_record_keeps_them(fake: Callable[..., Record], put: Callable[..., None], store: Store) -> None:
    record = fake(0, learned_rates={"hidden.0": 0.25})
    put(record)
    assert store.find(record.run_id) == record
