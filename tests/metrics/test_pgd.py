"""Projected gradient descent on networks whose worst example is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dropbench.metrics.pgd import attacked, pgd


class Linear:
    """x W for W [K, I, 2], whose noise multiplies x by a sign a feature, drawn anew at each call, times `on` or else one."""

    def __init__(self, weight: Tensor, x: Tensor, y: Tensor, rate: float = 0.0) -> None:
        self.weight, self.x, self.y, self.rate = weight, x, y, rate

    def examples(self, part: str) -> Iterator[tuple[Tensor, Tensor]]:
        yield from zip(self.x.split(7, 1), self.y.split(7, 1), strict=True)

    def logits(self, x: Tensor) -> Tensor:
        return x @ self.weight

    def noisy(self, stream: str) -> Callable[[Tensor], Tensor]:
        generator = torch.Generator().manual_seed(len(stream))

        def logits(x: Tensor) -> Tensor:
            kept = (torch.rand(x.shape, generator=generator, dtype=x.dtype) >= self.rate) / (1 - self.rate)
            return (x * kept) @ self.weight

        return logits

    def uniforms(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        generator = np.random.default_rng(5)
        return lambda shape: torch.from_numpy(generator.random((len(self.weight), *shape)))


def drawn(n: int = 60, inputs: int = 5, k: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = np.random.default_rng(0)
    weight, x = (torch.from_numpy(generator.normal(size=shape)) for shape in ((k, inputs, 2), (k, n, inputs)))
    return weight, x, torch.from_numpy(generator.integers(0, 2, (k, n)))


def worst(weight: Tensor, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """The share that a linear map of two classes still has right in the worst corner of the box: margin above ε |w|₁."""
    w = weight[..., 1] - weight[..., 0]
    margin = torch.einsum("kni,ki->kn", x, w) * (2 * y - 1)
    return (margin > eps * w.abs().sum(1)[:, None]).double().mean(1)


def test_a_linear_map_is_left_with_its_margin() -> None:
    weight, x, y = drawn()
    found = pgd(Linear(weight, x, y), "test", percent=[5, 40])
    for percent in (5, 40):
        expected = worst(weight, x, y, percent / 100).tolist()
        assert found[f"pgd_{percent:02}_accuracy"].tolist() == expected
        assert found[f"eot_{percent:02}_accuracy"].tolist() == expected, "and so it is where there is no noise"
    assert found["eot_00_accuracy"].tolist() == worst(weight, x, y, 0.0).tolist()


@given(eps=st.floats(0.01, 2), steps=st.integers(1, 6), seed=st.integers(0, 99))
def test_nothing_moves_further_than_it_may(eps: float, steps: int, seed: int) -> None:
    weight, x, y = drawn(8)
    start = 2 * torch.from_numpy(np.random.default_rng(seed).random(x.shape)) - 1
    there = attacked(lambda z: torch.tanh(z) @ weight, x, y, eps, steps, start)
    assert float((there - x).abs().max()) <= eps * (1 + 1e-9)


def test_the_mean_over_masks_finds_what_one_mask_hides() -> None:
    """One feature of two is dropped most of the time, and then has no gradient: most single steps do not move it."""
    weight, x, y = drawn(200)
    network = Linear(weight, x, y, rate=0.9)
    moved = {
        draws: attacked(network.noisy("a"), x, y, 1.0, 1, torch.zeros_like(x), draws) - x for draws in (1, 40)
    }  # fmt: skip
    w = weight[..., 1] - weight[..., 0]
    aim = -torch.sign(w)[:, None] * (2 * y - 1)[..., None]
    right = {draws: (step.sign() == aim).double().mean().item() for draws, step in moved.items()}
    assert right[1] == pytest.approx(0.1, abs=0.03)
    assert right[40] == pytest.approx(1 - 0.9**40, abs=0.02)


def test_the_first_examples_of_the_test_part_alone() -> None:
    weight, x, y = drawn()
    assert pgd(Linear(weight, x, y), "train") == {}
    found = pgd(Linear(weight, x, y), "test", percent=[5], examples=10)
    assert found["pgd_05_accuracy"].tolist() == worst(weight, x[:, :10], y[:, :10], 0.05).tolist()
    words = torch.zeros(2, 3, 2, dtype=torch.int64), torch.zeros(2, 3, dtype=torch.int64)
    assert pgd(Linear(weight, *words), "test") == {}
