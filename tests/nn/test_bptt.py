"""Backpropagation through time by hand against autograd over the same cell step by step, which tests/nn/test_recurrent.py
holds against torch's own layers and against the papers' equations."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dropbench.nn.recurrent import Between, CellNoise, Recurrent, Times

SMALL = st.integers(1, 4)
HOW = st.sampled_from([None, "held", "each"])


def results(
    layer: Recurrent, x: Tensor, start: tuple[Tensor, Tensor], noise: CellNoise, weight: Tensor
) -> list[Tensor]:
    """States, last state and memory, and the gradients of a random function of all that comes out, of all that goes in."""
    leaves = [x, *start, weight, *(p for p in layer.parameters())]
    leaves = [leaf.detach().requires_grad_() for leaf in leaves]
    for p, leaf in zip(layer.parameters(), leaves[4:], strict=True):
        p.data = leaf.data
    states, (state, memory) = layer(leaves[0], noise, start=(leaves[1], leaves[2]), weight_hidden=leaves[3])
    generator = torch.Generator().manual_seed(1)
    outs = [states, state, memory] if layer.cell == "lstm" else [states, state]
    total = sum((o * torch.randn(o.shape, generator=generator)).sum() for o in outs)
    wanted = [*leaves[:4], *layer.parameters()]
    grads = torch.autograd.grad(total, wanted, allow_unused=True)
    return [*outs, *(torch.zeros_like(w) if g is None else g for w, g in zip(wanted, grads, strict=True))]


def noise_of(factors: dict[str, Tensor], acts: list[bool], by_hand: bool) -> CellNoise:
    """As a layer has it, or as ordinary functions, which it must call step by step."""
    made = {
        name: (Between if name in ("hidden", "cell") else Times)(lambda state, f=f: f, acts)
        for name, f in factors.items()
    }
    return CellNoise(**made if by_hand else {name: noise.__call__ for name, noise in made.items()})


def drawn(layer: Recurrent, x: Tensor, seed: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for p in layer.parameters():
        p.data = torch.randn(p.shape, generator=generator) / 2
    k, b = x.shape[:2]
    start = torch.randn(2, k, b, layer.hidden, generator=generator).unbind(0)
    return (start[0], start[1]), torch.randn(layer.weight_hidden.shape, generator=generator) / 2


@settings(max_examples=40, deadline=None)
@given(
    cell=st.sampled_from(["lstm", "gru"]),
    k=st.integers(1, 3),
    b=SMALL,
    steps=SMALL,
    inputs=SMALL,
    hidden=st.integers(1, 9),
    how=st.tuples(HOW, HOW, HOW, HOW),
    seed=st.integers(0, 10**6),
)
def test_it_is_the_cell_step_by_step(
    cell: str, k: int, b: int, steps: int, inputs: int, hidden: int, how: tuple[str | None, ...], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(k, b, steps, inputs, generator=generator)
    layer = Recurrent(k, inputs, hidden, cell)  # type: ignore[arg-type]
    start, weight = drawn(layer, x, seed)
    places = ("state", "candidate", "hidden", "cell") if cell == "lstm" else ("state", "candidate", "hidden")
    factors = {
        place: torch.rand(k, b, steps if h == "each" else 1, hidden, generator=generator) * 2
        for place, h in zip(places, how, strict=False)
        if h
    }
    by_hand = results(layer, x, start, noise_of(factors, [True] * k, True), weight)
    # Where nothing acts ones that are no `Factor` keep the layer from taking the other way.
    by_autograd = results(
        layer, x, start, noise_of(factors or {"state": torch.ones(k, b, 1, hidden)}, [True] * k, False), weight
    )
    for mine, expected in zip(by_hand, by_autograd, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("noisy", [[], [0], [1], [0, 1], [0, 2], [0, 1, 2]])
def test_replicas_with_and_without_noise_part_and_meet_again(noisy: list[int]) -> None:
    """In a layer as large as those that torch's fused LSTM gets. Where the first are noisy, parting turns all three round."""
    torch.manual_seed(0)
    x = torch.randn(3, 33, 5, 7)
    layer = Recurrent(3, 7, 100, "lstm")
    start, weight = drawn(layer, x, 3)
    mask = torch.ones(3, 33, 1, 100)
    mask[noisy] = (torch.rand(len(noisy), 33, 1, 100) < 0.5).float() * 2
    acts = [k in noisy for k in range(3)]
    mine = results(layer, x, start, noise_of({"state": mask}, acts, True), weight / 5)
    expected = results(layer, x, start, noise_of({"state": mask}, acts, False), weight / 5)
    for a, b in zip(mine, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_in_autocast_states_stay_float32(cell: str) -> None:
    torch.manual_seed(0)
    layer = Recurrent(2, 3, 5, cell)  # type: ignore[arg-type]
    x = torch.randn(2, 4, 6, 3)
    drawn(layer, x, 0)
    expected, _ = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = layer(x)
    assert found.dtype == torch.float32 and torch.equal(found, expected)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_going_back_leaves_what_it_is_given(cell: str) -> None:
    """Autograd may hand the same gradient on to others."""
    torch.manual_seed(0)
    layer = Recurrent(2, 3, 5, cell)  # type: ignore[arg-type]
    x = torch.randn(2, 4, 6, 3)
    drawn(layer, x, 0)
    states, (_, memory) = layer(x)
    outs = [states, memory] if cell == "lstm" else [states]
    given = [torch.randn_like(out) for out in outs]
    first, second = (
        torch.autograd.grad(outs, list(layer.parameters()), [g.clone() for g in given], retain_graph=True)
        for _ in range(2)
    )
    kept = [g.clone() for g in given]
    torch.autograd.grad(outs, list(layer.parameters()), given)
    assert all(torch.equal(a, b) for a, b in zip([*first, *given], [*second, *kept], strict=True))
