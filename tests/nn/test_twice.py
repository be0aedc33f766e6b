"""Operations that can be differentiated twice are the same functions as those written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from dropbench.nn.attention import SelfAttention
from dropbench.nn.dense import dense_relu
from dropbench.nn.graph import Pattern
from dropbench.nn.product import affine
from dropbench.nn.recurrent import Recurrent
from dropbench.nn.twice import differentiable_twice, plain

K = 2
NUMBERS = torch.Generator().manual_seed(1)


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=NUMBERS, dtype=torch.float64).requires_grad_()


def made(layer: torch.nn.Module) -> torch.nn.Module:
    for p in layer.parameters():
        p.data = torch.randn(p.shape, generator=NUMBERS, dtype=torch.float64) / 2
    return layer.double()


MASK = torch.rand(K, 4, 5, generator=NUMBERS, dtype=torch.float64).round() * 2
PATTERN = Pattern(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 3, 1, 0]), (3, 4))
LSTM, GRU = made(Recurrent(K, 3, 4, "lstm")), made(Recurrent(K, 3, 4, "gru"))
ATTENTION = made(SelfAttention(K, 4, 2))
LAYERS: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
    "affine": (affine, (normal(K, 4, 3), normal(K, 3, 5), normal(K, 1, 5))),
    "dense": (lambda *t: dense_relu(*t, None), (normal(K, 4, 3), normal(K, 3, 5), normal(K, 1, 5))),
    "masked": (lambda *t: dense_relu(*t, MASK), (normal(K, 4, 3), normal(K, 3, 5), normal(K, 1, 5))),
    "graph": (PATTERN.product, (normal(K, 4), normal(K, 4, 5))),
    "lstm": (lambda x: LSTM(x)[0], (normal(K, 2, 3, 3),)),
    "gru": (lambda x: GRU(x)[0], (normal(K, 2, 3, 3),)),
    "attention": (ATTENTION, (normal(K, 2, 3, 4),)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_they_have_the_values_and_gradients_of_those_by_hand(name: str) -> None:
    layer, given = LAYERS[name]
    found = []
    for twice in (False, True):
        if twice:
            with differentiable_twice():
                out = layer(*given)
        else:
            out = layer(*given)
        found.append((out, *torch.autograd.grad(out.sin().sum(), given)))
    assert not plain()
    for by_hand, composed in zip(*found, strict=True):
        torch.testing.assert_close(composed, by_hand, rtol=1e-6, atol=1e-6)  # by hand tanh is 2 sigmoid(2x) - 1


@pytest.mark.parametrize("name", LAYERS)
def test_their_second_derivatives_are_those_of_finite_differences(name: str) -> None:
    layer, given = LAYERS[name]

    def composed(*tensors: Tensor) -> Any:
        with differentiable_twice():
            return layer(*tensors)

    assert torch.autograd.gradgradcheck(composed, given)
