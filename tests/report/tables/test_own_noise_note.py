"""A report says where no arm is without noise, since a user's module has some of its own."""

from __future__ import annotations

from collections.abc import Callable

from dropbench.report import build
from dropbench.store import Record, Store

OWN = ["a (Dropout)", "b (Dropout)", "c (Dropout)", "d (Dropout)"]
ARM = {"dropout": "standard", "dropout.rate": 0.5}


def notes(store: Store) -> list[str]:
    return [n for n in build([store.root], [], None).comparisons[0].notes if "The model's own noise" in n]


def test_noise_of_every_arm(fake: Callable[..., Record], put: Callable[..., None], store: Store) -> None:
    put(
        *(fake(seed, own_noise=OWN) for seed in range(2)),
        *(fake(seed, changes=ARM, own_noise=OWN) for seed in range(2)),
    )
    (note,) = notes(store)
    assert note.startswith(
        "The model's own noise acted in every arm, regardless of the rate: a (Dropout), b (Dropout), c"
    )
    assert " and 1 more. So an arm called none is not free of noise here." in note


def test_none_of_ours(fake: Callable[..., Record], put: Callable[..., None], store: Store) -> None:
    put(fake(0), fake(0, changes=ARM))
    assert not notes(store)


def test_a_stored_record_keeps_it(fake: Callable[..., Record], put: Callable[..., None], store: Store) -> None:
    put(record := fake(0, own_noise=OWN))
    assert store.find(record.run_id) == record
