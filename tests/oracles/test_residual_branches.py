"""Dropping whole residual branches: torchvision's StochasticDepth, timm's DropPath, and what both should be in NumPy.

Huang et al. 2016 (arXiv:1603.09382) keep a branch with probability keep for a mini-batch and multiply it by keep at
test. Both libraries draw an example at a time by default of use ("row"; DropPath has nothing else) and divide by keep
in training instead. EfficientNet's "drop_connect" is this and not Wan et al.'s DropConnect, which drops weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch
from beside import MAPS, SEQUENCE, VECTOR, N, distance, fixed_input, timm_layers, vision
from noise_kit import theirs
from torch import Tensor, nn

from dropbench.dropout.stochastic_depth import StochasticDepth
from dropbench.engine.noise import StackNoise
from dropbench.sites import Site

RATE = 0.25
over_sites = pytest.mark.parametrize("at", [VECTOR, SEQUENCE, MAPS], ids=lambda at: at.axes)


def specified(at: Site, scaled: bool = True) -> Tensor:
    """One draw an example: shape (B, 1, ...), 1 / keep with probability keep, else 0."""
    kept = np.random.default_rng(5).random((N, *(1,) * len(at.shape))) >= RATE
    return fixed_input(at) * torch.from_numpy(kept / (1 - RATE if scaled else 1)).float()


def by_row(x: Tensor) -> Tensor:
    out: Tensor = vision().StochasticDepth(RATE, "row")(x)
    return out


def by_drop_path(x: Tensor) -> Tensor:
    out: Tensor = timm_layers().DropPath(RATE)(x)
    return out


@over_sites
@pytest.mark.parametrize("layer", [by_row, by_drop_path])
def test_rows_are_as_specified(layer: Callable[[Tensor], Tensor], at: Site) -> None:
    out = theirs(layer, fixed_input(at))
    assert distance(out, specified(at)) < 5
    whole = (out / fixed_input(at)).flatten(1)
    torch.testing.assert_close(whole, whole[:, :1].expand_as(whole), rtol=1e-6, atol=0)
    torch.testing.assert_close(whole.unique()[[0, -1]], torch.tensor([0, 1 / (1 - RATE)]), rtol=1e-6, atol=0)


def test_without_the_scale_it_is_the_papers_training() -> None:
    out = theirs(timm_layers().DropPath(RATE, scale_by_keep=False), fixed_input(VECTOR))
    assert distance(out, specified(VECTOR, scaled=False)) < 5 and distance(out, specified(VECTOR)) > 20


def test_a_batch_is_kept_or_dropped_as_one() -> None:
    """The paper's own granularity, which DropPath lacks."""
    layer, dropped, passes = vision().StochasticDepth(RATE, "batch").train(), 0, 2000
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(passes):
            out = layer(torch.ones(3, 4))
            assert len(out.unique()) == 1
            dropped += int((out == 0).all())
    assert abs(dropped - RATE * passes) < 5 * (RATE * (1 - RATE) * passes) ** 0.5


class Branch(nn.Module):
    """A residual branch that is the identity, and counts for how many replicas it is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.computed = 0

    def forward(self, x: Tensor, noise: object) -> Tensor:
        self.computed += len(x)
        return x


def ours(at: Site, n: int, per: Literal["example", "batch"]) -> Callable[[Branch], Tensor]:
    site = Site("branch", "branch", at.shape, at.axes, depth=1.0)
    noise = StackNoise(StochasticDepth(per=per), [site], [{"branch": RATE}], [0], n, torch.device("cpu"))
    return lambda branch: noise.branch("branch", branch, fixed_input(at, n)[None])[0]


@over_sites
def test_ours_an_example_at_a_time_is_theirs(at: Site) -> None:
    out = ours(at, N, "example")(Branch())
    assert distance(out, specified(at)) < 5
    assert distance(out, theirs(by_row, fixed_input(at))) < 5
    assert distance(out, theirs(by_drop_path, fixed_input(at))) < 5


def test_ours_a_batch_at_a_time_is_torchvisions_and_skips_the_work() -> None:
    """torchvision multiplies what it has computed by zero."""
    step, branch, dropped, passes = ours(VECTOR, 3, "batch"), Branch(), 0, 2000
    for _ in range(passes):
        ratio = step(branch) / fixed_input(VECTOR, 3)
        torch.testing.assert_close(
            ratio, torch.full_like(ratio, float(ratio[0, 0] > 0) / (1 - RATE)), rtol=1e-5, atol=0
        )
        dropped += int((ratio == 0).all())
    assert abs(dropped - RATE * passes) < 5 * (RATE * (1 - RATE) * passes) ** 0.5
    assert branch.computed == passes - dropped


@pytest.mark.parametrize("depth", [2, 5, 12])
def test_linear_decay_is_the_papers_and_timms_starts_from_zero(depth: int) -> None:
    """Huang et al., equation 4: p_l = 1 - l / L (1 - p_L), so the first branch has a rate. The last has all of it in both."""
    sites = [Site(f"b{i}", "branch", (3,), "F", depth=(i + 1) / depth) for i in range(depth)]
    here = np.array([StochasticDepth().site_rate(at, RATE) for at in sites])
    papers = np.array([1 - (1 - layer / depth * RATE) for layer in range(1, depth + 1)])
    np.testing.assert_allclose(here, papers, rtol=1e-12)
    timms = np.array(timm_layers().calculate_drop_path_rates(RATE, depth))
    np.testing.assert_allclose(timms, RATE * np.arange(depth) / (depth - 1), rtol=1e-5, atol=1e-9)
    assert timms[0] == 0 < here[0] and timms[-1] == pytest.approx(here[-1])
