"""Embeddings of numbers against the papers' formulas, written out with loops in plain torch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dropbench.engine.streams import StackedDraws
from dropbench.nn.numeric import Kind, NumericEmbedding, Sizes

INPUTS, NUMBERS = 7, 4
SIZES = Sizes(frequencies=5, size=3, scale=0.7)


def layer(kind: Kind, seeds: tuple[int, ...] = (0, 1), sizes: Sizes = SIZES) -> NumericEmbedding:
    made = NumericEmbedding(len(seeds), INPUTS, NUMBERS, kind, sizes)
    made.reset(StackedDraws(list(seeds), "init", torch.device("cpu")))
    return made


def by_loops(made: NumericEmbedding, x: Tensor, k: int) -> Tensor:
    """One replica, example by example and number by number."""
    rows = []
    for example in x[k]:
        seen: list[Tensor] = []
        for i in range(NUMBERS):
            angles = [2 * math.pi * c * example[i] for c in made.frequency[k, i, 0]]
            if made.kind == "plr":
                waves = torch.stack([*(torch.cos(a) for a in angles), *(torch.sin(a) for a in angles)])
                seen.append(torch.relu(waves @ made.weight[k, i] + made.bias[k, i, 0]))
            else:
                assert made.phase is not None
                waves = torch.stack([torch.cos(a + b) for a, b in zip(angles, made.phase[k, i, 0], strict=True)])
                seen += [waves @ made.weight[k, i] + made.bias[k, i, 0], example[i : i + 1]]
        rows.append(torch.cat([*seen, example[NUMBERS:]]))
    return torch.stack(rows)


@pytest.mark.parametrize("kind", ["plr", "pbld"])
def test_each_replica_is_the_papers_formula_and_so_are_its_gradients(kind: Kind) -> None:
    made = layer(kind).double()
    x = torch.randn(2, 6, INPUTS, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    out = made(x)
    assert out.shape == (2, 6, made.outputs) == (2, 6, NUMBERS * SIZES.size + INPUTS - NUMBERS)
    expected = torch.stack([by_loops(made, x, k) for k in range(2)])
    torch.testing.assert_close(out, expected)
    g = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).double()
    wanted = [x, *made.parameters()]
    for ours, theirs in zip(torch.autograd.grad(out, wanted, g), torch.autograd.grad(expected, wanted, g), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("batch", [1, 3, 32])
@pytest.mark.parametrize("kind", ["plr", "pbld"])
def test_a_replica_has_the_same_bits_in_every_stack(kind: Kind, batch: int) -> None:
    x = torch.randn(1, batch, INPUTS, generator=torch.Generator().manual_seed(0))
    found = []
    for seeds in ((4,), (4, 5, 6), (7, 8, 9, 4)):
        made, k = layer(kind, seeds), seeds.index(4)
        out = made(x.expand(len(seeds), -1, -1).contiguous())
        out.backward(out.detach())
        found.append([out.detach()[k], *(p.grad[k] for p in made.parameters() if p.grad is not None)])
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("kind", ["plr", "pbld"])
def test_it_starts_as_the_papers_say(kind: Kind) -> None:
    made = layer(kind, sizes=Sizes(frequencies=2_000, size=6, scale=0.3))
    for frequencies in made.frequency.detach().flatten(1):
        assert float(frequencies.std()) == pytest.approx(0.3, rel=0.05)
        assert abs(float(frequencies.mean())) < 0.02
    bound = 1 / math.sqrt(4_000 if kind == "plr" else 2_000)
    assert 0.99 * bound < float(made.weight.detach().abs().max()) <= bound
    if made.phase is not None:
        assert 0.99 * math.pi < float(made.phase.detach().abs().max()) <= math.pi


def test_inputs_that_are_no_numbers_pass_as_they_are() -> None:
    x = torch.randn(2, 5, INPUTS)
    for kind in ("plr", "pbld"):
        assert torch.equal(layer(kind)(x)[..., NUMBERS * SIZES.size :], x[..., NUMBERS:])  # type: ignore[arg-type]
