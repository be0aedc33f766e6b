"""How fast single parameters learn and decay."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from training import make_spec

from dropbench.engine.optimizer import StackedOptimizer
from dropbench.nn.linear import Linear
from dropbench.nn.pace import Pace, paces


def test_a_layer_says_them_by_name_and_all_others_are_one() -> None:
    model = nn.Sequential(Linear(1, 3, 2), Linear(1, 2, 2), nn.Linear(2, 2))
    model[1].paces = {"bias": Pace(0.1, 0.0)}
    model[2].paces = {"weight": 3}  # of a user's own, which means something else
    assert paces(model) == [Pace(), Pace(), Pace(), Pace(0.1, 0.0), Pace(), Pace()]


@pytest.mark.parametrize("inputs", [4, 100])
def test_the_root_of_the_inputs_is_the_neural_tangent_parametrisation_under_adamw(inputs: int) -> None:
    """Weights w of deviation 1 in a product x w / √I, by torch; ours are w / √I themselves at a pace of 1/√I and √I."""
    generator = torch.Generator().manual_seed(0)
    root = inputs**0.5
    theirs = torch.randn(inputs, 3, generator=generator).requires_grad_()
    ours = (theirs.detach() / root)[None].clone().requires_grad_()
    train = make_spec(optimizer="adamw", beta2=0.95).train
    optimizer = StackedOptimizer([ours], train, [0.04], [0.02], [Pace(1 / root, root)])
    twin = torch.optim.AdamW([theirs], lr=0.04, weight_decay=0.02, betas=(0.9, 0.95))
    for _ in range(30):
        x, y = torch.randn(16, inputs, generator=generator), torch.randn(16, 3, generator=generator)
        twin.zero_grad()
        (x @ (theirs / root) - y).square().mean().backward()
        ours.grad = torch.autograd.grad((x @ ours[0] - y).square().mean(), ours)[0]
        twin.step()
        optimizer.step(1.0)
    # A step of Adam is 0.04 / √I here, and rounding and its epsilon, which is not scaled, are far below.
    torch.testing.assert_close(ours.detach()[0], theirs.detach() / root, rtol=1e-4, atol=1e-4 * 0.04 / root * 30)
