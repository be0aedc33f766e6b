"""Features missing at random: which they are, what they depend on, and what a network says without them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from relu_network import Relu
from torch import Tensor

from dropbench.metrics.missing_at_random import missing_at_random

K, N, F = 2, 40, 9


class Watched(Relu):
    """That keeps what it is given, in order."""

    def __init__(self, x: Tensor) -> None:
        self.seen: list[Tensor] = []
        y = torch.zeros(K, N, dtype=torch.int64)
        super().__init__(
            torch.eye(F).double().expand(K, -1, -1), torch.eye(F).double().expand(K, -1, -1), {"test": (x, y)}
        )

    def logits(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return super().logits(x)


def there(x: Tensor, percent: int) -> Tensor:
    """Which features are left of every example, [K, N, F]."""
    network = Watched(x)
    missing_at_random(network, "test", percent=[percent])  # type: ignore[arg-type]
    return torch.cat(network.seen, 1) != 0


def normal(seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(K, N, F)))


@pytest.mark.parametrize("percent", [10, 25, 44])
def test_as_many_are_missing_as_it_says(percent: int) -> None:
    assert ((~there(normal(), percent)).sum(-1) == round(percent * F / 100)).all()


def test_it_depends_on_features_that_are_there_and_on_no_other() -> None:
    x = normal()
    kept = there(x, 25)
    always = kept.all(1)  # [K, F]
    assert (always.sum(-1) == F - F // 2).all()
    # Whatever the values of those that may be missing, the same ones are.
    other = torch.where(always[:, None], x, normal(1))
    assert torch.equal(there(other, 25), kept)
    # And the values of those that are there decide.
    assert not torch.equal(there(torch.where(always[:, None], normal(1), x), 25), kept)


def test_those_with_the_largest_partners_are_missing() -> None:
    """At 50 % every second of a pair is; at less, all partners of what is missing are above all partners of what is not."""
    x = normal()
    orders = Watched(x).uniforms("")((F,)).argsort(-1)
    half = F // 2
    kept = there(x, 25)
    for k in range(K):
        known, unknown = orders[k, :half], orders[k, half : 2 * half]
        for i in range(N):
            lost = ~kept[k, i, unknown]
            partners = x[k, i, known]
            assert float(partners[lost].min()) > float(partners[~lost].max())


def test_what_is_missing_at_less_is_missing_at_more() -> None:
    x = normal()
    assert bool((there(x, 10) >= there(x, 44)).all())


def test_the_answer_is_that_of_what_is_left() -> None:
    """The one feature that tells is the second of a pair whose first is large in half of the examples."""
    x = normal()
    network = Watched(x)
    found = missing_at_random(network, "test", percent=[25])  # type: ignore[arg-type]
    expected = [(one.argmax(-1) == 0).double().mean().item() for one in (x * there(x, 25)).clamp(min=0)]
    assert found["missing_at_random_25_accuracy"].tolist() == pytest.approx(expected)


def test_words_and_single_features_have_none() -> None:
    words = torch.zeros(K, N, F, dtype=torch.int64)
    assert missing_at_random(Watched(words), "test") == {}  # type: ignore[arg-type]
    one = Watched(torch.zeros(K, N, 1))
    assert missing_at_random(one, "test") == {}  # type: ignore[arg-type]
