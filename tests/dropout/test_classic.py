"""Srivastava's original beside inverted dropout: one family of networks; and the bug that is neither."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch
from noise_kit import factor, site, stack_noise
from torch import Tensor

from dropbench.engine.noise import StackNoise
from dropbench.engine.streams import StackedDraws
from dropbench.models.mlp import MLP

RATES, BATCH = [0.0, 0.2, 0.5, 0.8], 32
KEEP = torch.tensor(RATES).sub(1).neg().mul(65536).round().div(65536).view(-1, 1, 1)
X = torch.randn(1, BATCH, 12, generator=torch.Generator().manual_seed(0)).expand(len(RATES), -1, -1)


@pytest.fixture(scope="module")
def net() -> MLP:
    made = MLP(len(RATES), (12,), 3, widths=[20, 16])
    for layer in made.modules():
        if hasattr(layer, "reset"):
            layer.reset(StackedDraws([0] * len(RATES), "init", torch.device("cpu")))
    return made


@pytest.fixture(scope="module")
def shrunk(net: MLP) -> MLP:
    """The weights that lead out of the sites times keep: those that inverted dropout trains to the same network."""
    other = copy.deepcopy(net)
    with torch.no_grad():
        for weight in (other.hidden[1].linear.weight, other.head.weight):
            weight.mul_(KEEP)
    return other


def noise_of(variant: str, net: MLP, training: bool) -> StackNoise:
    hidden = [s for s in net.sites if s.name in ("hidden.0", "hidden.1")]
    noise = stack_noise(variant, hidden, RATES, [3] * len(RATES), BATCH)
    noise.training = training
    return noise


@pytest.mark.parametrize("training", [True, False])
def test_the_same_network_as_standard_with_smaller_weights(net: MLP, shrunk: MLP, training: bool) -> None:
    """In evaluation, and mask by mask in training: the streams are the same, so distributions need no sampling."""
    a, b = net(X, noise_of("classic", net, training)), shrunk(X, noise_of("standard", shrunk, training))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert float((a - net(X, noise_of("standard", net, training))).detach()[1:].abs().amax((1, 2)).min()) > 0.01


@pytest.mark.parametrize("training", [True, False])
def test_the_bug_is_half_of_each(net: MLP, training: bool) -> None:
    a = net(X, noise_of("unscaled", net, training))
    assert torch.equal(a, net(X, noise_of("classic" if training else "standard", net, training)))


def every_mask(units: int) -> Tensor:
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=units)), dtype=torch.float64)


def test_evaluation_is_the_mean_over_all_masks_for_a_linear_readout() -> None:
    """All 2^8 of them, each with its probability; the bug's evaluation is larger by 1 / keep."""
    generator = torch.Generator().manual_seed(1)
    x, w = (torch.randn(8, generator=generator, dtype=torch.float64) for _ in range(2))
    at, masks = site("f"), every_mask(8)
    for rate in (0.25, 0.5, 0.9):
        keep = round((1 - rate) * 65536) / 65536
        kept = masks.sum(1)
        mean = float((keep**kept * (1 - keep) ** (8 - kept) * (masks * x @ w)).sum())
        for variant, scale in (("classic", 1.0), ("unscaled", 1 / keep)):
            noise = stack_noise(variant, at, [rate], [0], 1)
            noise.training = False
            padded = torch.cat([x, x.new_zeros(40)]).view(1, 1, 48)
            assert float(noise("f", padded)[0, 0, :8] @ w) == pytest.approx(mean * scale, rel=1e-6)


def test_sampled_masks_have_that_mean_and_its_binomial_variance() -> None:
    n, rate = 4000, 0.3
    noise = stack_noise("classic", site("f"), [rate], [0], n)
    w = torch.randn(48, generator=torch.Generator().manual_seed(2))
    outputs = (factor(noise, site("f"), 1, n)[0] @ w).double()
    variance = float((w**2).sum()) * rate * (1 - rate)
    assert abs(float(outputs.mean()) - (1 - rate) * float(w.sum())) < 5 * math.sqrt(variance / n)
    assert abs(float(outputs.var()) / variance - 1) < 5 * math.sqrt(2 / n)


@pytest.mark.parametrize("variant", ["classic", "unscaled"])
def test_what_is_kept_stays_as_it_is(variant: str) -> None:
    noise = stack_noise(variant, site("f"), [0.3], [0], BATCH)
    assert factor(noise, site("f"), 1, BATCH).unique().tolist() == [0, 1]
