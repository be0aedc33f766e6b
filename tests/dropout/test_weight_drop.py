"""Weight-drop in a network: the traps that others fell into, and by hand."""

from __future__ import annotations

import pytest
import torch
from noise_kit import factor, randomised, stack_noise
from torch import Tensor

from dropbench.models.rnn import RNN
from dropbench.nn.recurrent import Cell
from dropbench.sites import Site


def setting(cell: Cell, hidden: int = 5) -> tuple[RNN, Tensor, Site]:
    """A classifier of 5 steps of 4 features, 4 examples, and the site of its hidden-to-hidden weight."""
    model = RNN(1, (5, 4), 3, cell=cell, hidden=hidden)
    generator = randomised(model, 0.5)
    x = torch.randn(1, 4, 5, 4, generator=generator)
    return model, x, next(s for s in model.sites if s.kind == "recurrent_weight")


@pytest.mark.parametrize("cell", ["vanilla", "lstm", "gru"])
def test_one_mask_for_all_steps_and_examples(cell: Cell) -> None:
    """The same as a network whose weight was dropped by hand before the sequence: drawn anew within it, it would not be."""
    model, x, at = setting(cell)
    noise, twin = (stack_noise("weight_drop", at, [0.4], [3], 4) for _ in range(2))
    silent = stack_noise("weight_drop", at, [0.0], [3], 4)
    out = model(x, noise)
    mask = factor(twin, at, 1, 4)
    assert mask.unique().tolist() == pytest.approx([0, 1 / 0.6], rel=1e-4)
    with torch.no_grad():
        model.layers[0].weight_hidden.mul_(mask)
    assert torch.equal(out, model(x, silent))


def test_the_raw_weight_gets_the_gradient() -> None:
    """That of the dropped weight times the mask, and it is a leaf that an optimizer can reach."""
    model, x, at = setting("lstm")
    weight = model.layers[0].weight_hidden
    assert weight.is_leaf and any(p is weight for p in model.parameters())
    model(x, stack_noise("weight_drop", at, [0.5], [0], 4)).square().sum().backward()
    mask = factor(stack_noise("weight_drop", at, [0.5], [0], 4), at, 1, 4)
    assert weight.grad is not None
    assert torch.equal(weight.grad != 0, mask != 0)
    assert not torch.equal(mask, torch.ones_like(mask))


def test_it_switches_off_and_on_again() -> None:
    model, x, at = setting("lstm")
    noise, silent = (stack_noise("weight_drop", at, [rate], [0], 4) for rate in (0.5, 0.0))
    before = model.layers[0].weight_hidden.detach().clone()
    outs = []
    for noise.training in (True, False, True, False):
        outs.append(model(x, noise))
    assert torch.equal(outs[1], outs[3]) and torch.equal(outs[1], model(x, silent))
    assert not torch.equal(outs[0], outs[2]) and not torch.equal(outs[0], outs[1])
    assert torch.equal(model.layers[0].weight_hidden, before), "the raw weight is not overwritten"


def test_weights_are_dropped_one_by_one_and_in_every_gate() -> None:
    """Not by rows, as the salesforce code's `variational` has it, nor for one gate alone."""
    _, _, at = setting("lstm", 32)
    kept = factor(stack_noise("weight_drop", at, [0.5], [0], 2), at, 1, 2)[0] > 0
    assert kept.shape == (32, 4 * 32)
    for shares in (kept.double().mean(0), kept.double().mean(1), kept.view(32, 4, 32).double().mean((0, 2))):
        n = kept.numel() / len(shares)
        assert bool(((shares - 0.5).abs() < 5 * 0.5 / n**0.5).all())
