"""A measurement of products decides by a clear margin, and leaves the process as it was. No times are tested."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dropbench.engine import product_times
from dropbench.hardware import blas

MEASURED = product_times.fastest
"""As it is: while tests run another stands in its place (conftest.py)."""


def test_only_what_is_clearly_faster_takes_the_place_of_the_default() -> None:
    better = product_times.better
    assert better("mkl", {"mkl": [2.0, 8.0], "openblas": [1.0, 4.0], "onednn": [2.0, 8.0]}) == "openblas"
    assert better("mkl", {"mkl": [2.0, 8.0], "openblas": [1.9, 7.5]}) == "mkl"  # a twentieth: it may be noise
    assert better("openblas", {"mkl": [1.9, 7.5], "openblas": [2.0, 8.0]}) == "openblas"
    assert better("openblas", {"mkl": [1.0, 1.0], "openblas": [2.0, 2.0]}) == "mkl"
    # One layer of four that is three times as fast does not make up for three that are half as fast.
    assert better("mkl", {"mkl": [1.0] * 4, "onednn": [2.0, 2.0, 2.0, 1 / 3]}) == "mkl"


def test_each_layer_is_timed_by_each_choice_and_the_choice_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "_chosen", None)
    before, choices = blas.chosen(), blas.available()
    used: list[str] = []
    monkeypatch.setattr(product_times, "_seconds", lambda call: (used.append(blas.chosen()), float(len(used)))[1])
    times = product_times.timed(choices)
    assert {name: len(of_layers) for name, of_layers in times.items()} == dict.fromkeys(
        choices, len(product_times.LAYERS)
    )
    assert set(used) == set(choices)
    assert times[choices[0]] == [1.0, 2.0, 3.0, 4.0]  # the least of all rounds, and later ones take longer here
    assert blas.chosen() == before


def test_a_step_takes_the_three_products_of_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    monkeypatch.setattr(product_times, "product", lambda a, b: taken.append((tuple(a.shape), tuple(b.shape))))
    product_times.step(2, 5, 3)()
    assert taken == [((2, 64, 5), (2, 5, 3)), ((2, 5, 64), (2, 64, 3)), ((2, 64, 3), (2, 3, 5))]


@pytest.mark.parametrize("libraries", [["torch"], ["mkl", "onednn"]])
def test_where_there_is_nothing_to_choose_nothing_is_timed(
    libraries: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blas, "available", lambda: libraries)
    monkeypatch.setattr(blas, "amd_with_avx512", lambda: True)  # its large products go to oneDNN in any case
    monkeypatch.setattr(blas, "default", lambda: libraries[0])
    monkeypatch.setattr(product_times, "timed", lambda choices: pytest.fail("timed"))
    assert MEASURED() == libraries[0]


def test_measuring_draws_nothing_from_the_global_generators() -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    product_times.step(1, 4, 3)()
    assert torch.equal(torch.get_rng_state(), before[0]) and (np.random.get_state()[1] == before[1]).all()
