"""The noise of a stack where models do not see it: narrowed, forked, and inside a branch."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from noise_kit import VARIANTS
from torch import Tensor, nn
from training import CPU

from dropbench.dropout.stochastic_depth import StochasticDepth
from dropbench.engine.noise import StackNoise
from dropbench.nn.recurrent import Times
from dropbench.sites import Kind, Site
from dropbench.sites.noise import Noise


def test_who_has_noise_in_a_recurrent_layer_goes_with_its_replica() -> None:
    """A replica that is said to have none would go by torch's layer, without it: see `nn.recurrent`."""
    site = Site("recurrent.0", "recurrent", (4, 3), "TF")
    rates = [{"recurrent.0": r} for r in (0.0, 0.5, 0.2)]
    noise = StackNoise(VARIANTS["recurrent"], [site], rates, [0, 1, 2], 5, CPU)
    for kept, acts in (([0, 1, 2], [False, True, True]), ([2, 0], [True, False]), ([1], [True])):
        steps = noise.narrowed(torch.tensor(kept)).steps("recurrent.0")
        assert isinstance(steps, Times) and list(steps.acts) == acts


def test_a_shared_mask_is_one_until_it_is_let_go() -> None:
    site = Site("hidden.0", "activation", (50,), "F")
    noise = StackNoise(VARIANTS["standard"], [site], [{"hidden.0": 0.5}] * 2, [0, 1], 4, CPU)
    own = noise.forked("ensemble/test", 8, shared=True)
    x = torch.ones(2, 8, 50)
    first, again = own("hidden.0", x), own("hidden.0", x[:, :3])
    assert torch.equal(first[:, :3], again) and bool((first == first[:, :1]).all())
    own.advance()
    assert not torch.equal(own("hidden.0", x), first)


class Both(StochasticDepth):
    """A user's, that acts inside of branches too."""

    kinds: ClassVar[frozenset[Kind]] = frozenset({"branch", "activation"})


class Inner(nn.Module):
    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        return noise("inner", x)


def test_noise_inside_a_branch_meets_all_replicas_whichever_are_dropped() -> None:
    """At every step, so that what a replica draws inside does not depend on whether its branch is dropped."""
    sites = [Site("block", "branch", (6,), "F"), Site("inner", "activation", (6,), "F")]
    rates = [{"block": 0.5, "inner": 0.5}] * 3
    variant = Both(per="batch")
    noise, twin = (StackNoise(variant, sites, rates, [0, 1, 2], 4, CPU) for _ in range(2))
    dropped = 0
    for _ in range(8):
        x = torch.ones(3, 4, 6)
        out, inside = noise.branch("block", Inner(), x), twin("inner", x)
        on = out.flatten(1).any(1)
        dropped += int((~on).sum())
        torch.testing.assert_close(out[on], 2 * inside[on])
    assert dropped


def test_several_noises_are_refused_at_a_site_that_takes_one() -> None:
    """A plan does not let them be there; were it to, their order would be an accident."""
    site = Site("hidden.0.weight", "weight", (50, 50), "IO")
    noise = StackNoise(VARIANTS["dropconnect"], [site], [{site.name: 0.5}], [0], 4, CPU)
    noise._at[site.name] *= 2
    with pytest.raises(ValueError, match="can have only one variant and has several: DropConnect, DropConnect"):
        noise.dense("hidden.0", torch.ones(1, 4, 50), torch.ones(1, 50, 50), torch.zeros(1, 1, 50), torch.relu)
