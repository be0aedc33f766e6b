"""torchvision's and timm's DropBlock2d beside ours: the rate that each realises, place by place, from its seeds.

All are after Ghiasi et al. 2018 (arXiv:1810.12890). Both libraries plant seeds with the paper's probability, equation
1,

    γ = rate / block² · side² / (side - block + 1)²,

which makes the expected number of dropped elements rate · side² if no two blocks overlap and seeds lie only where a
whole block fits: (side - block + 1)² of them. A place that r seeds reach is dropped with probability 1 - (1 - γ)^r.

- torchvision has seeds where a whole block fits. Blocks overlap, so less than the rate is dropped, and least at the
  borders.
- timm has the same γ but seeds in every place of the map, side² of them, which is more than γ was made for: more than
  the rate is dropped. With blocks of 7, its default, on maps of 8 × 8, a nominal 0.1 comes to 0.62.
- Ours has γ = 1 - (1 - rate)^(1 / block²) on a grid that reaches beyond the map: every place has block² seeds, and the
  rate is exact.

All agree where γ is small and borders are far. Both libraries scale by the fraction that was kept of the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from beside import MAPS, N, distance, drop_fraction, fixed_input, timm_layers, vision
from noise_kit import SET_UP, stack_noise, theirs
from numpy.typing import NDArray
from torch import Tensor, nn

from dropbench.dropout.dropblock import DropBlock
from dropbench.engine.noise import StackNoise
from dropbench.sites import Site

Make = Callable[[float, int], nn.Module]


def in_vision(rate: float, block: int) -> nn.Module:
    layer: nn.Module = vision().DropBlock2d(rate, block)
    return layer


def in_timm(rate: float, block: int) -> nn.Module:
    layer: nn.Module = timm_layers().DropBlock2d(rate, block, couple_channels=False)
    return layer


def realised_by(layer: nn.Module, side: int, n: int) -> Tensor:
    return theirs(layer, torch.ones(n, 1, side, side)) == 0


def realised_here(rate: float, block: int, side: int, n: int) -> Tensor:
    at = Site("maps", "activation", (1, side, side), "CHW")
    noise = StackNoise(DropBlock(block_size=block), [at], [{"maps": rate}], [0], n, torch.device("cpu"))
    return noise("maps", torch.ones(1, n, *at.shape))[0] == 0


def seeds_that_reach(make: Make, block: int, side: int) -> NDArray[np.float64]:
    """Of one axis, for each place."""
    if make is in_vision:
        return np.convolve(np.ones(side - block + 1), np.ones(block))
    # Seeds at i - block // 2 ... and as many to the other side; an even block reaches one further to the right.
    return np.convolve(np.ones(side), np.ones(block))[block // 2 :][:side]


def predicted(make: Make, rate: float, block: int, side: int) -> NDArray[np.float64]:
    """The probability that each place is dropped, [side, side]."""
    gamma = rate / block**2 * side**2 / (side - block + 1) ** 2
    reach = seeds_that_reach(make, block, side)
    chances: NDArray[np.float64] = 1 - (1 - gamma) ** np.outer(reach, reach)
    return chances


@pytest.mark.parametrize(
    ("make", "rate", "block", "side"),
    [
        (in_vision, 0.1, 7, 8),
        (in_vision, 0.3, 3, 6),
        (in_timm, 0.1, 7, 8),
        (in_timm, 0.3, 3, 6),
        (in_timm, 0.3, 2, 6),
    ],
)
def test_each_place_is_dropped_as_often_as_its_seeds_say(make: Make, rate: float, block: int, side: int) -> None:
    n = 10_000
    p = predicted(make, rate, block, side)
    got = realised_by(make(rate, block), side, n).double().mean((0, 1)).numpy()
    assert np.all(np.abs(got - p) < 5 * np.sqrt(p * (1 - p) / n))
    here = realised_here(rate, block, side, n).double().mean((0, 1)).numpy()
    assert np.all(np.abs(here - rate) < 5 * math.sqrt(rate * (1 - rate) / n))


@pytest.mark.parametrize(
    ("make", "rate", "block", "fraction"),
    [
        (in_vision, 0.1, 7, 0.0961),
        (in_timm, 0.1, 7, 0.6185),
        (in_vision, 0.5, 3, 0.3859),
        (in_timm, 0.5, 3, 0.5372),
    ],
)
def test_what_that_comes_to_on_maps_of_8(make: Make, rate: float, block: int, fraction: float) -> None:
    """Ours drops the rate."""
    assert predicted(make, rate, block, 8).mean() == pytest.approx(fraction, abs=5e-5)


@pytest.mark.parametrize("make", [in_vision, in_timm])
def test_blocks_of_one_are_standard_dropout_in_all_three(make: Make) -> None:
    """Then γ is the rate and every place has a seed of its own; but for the scale, which is a batch's in both libraries."""
    at = Site("x", "activation", MAPS.shape, "CHW")
    one = StackNoise(DropBlock(block_size=1), [at], [{"x": 0.25}], [0], N, torch.device("cpu"))
    here = one("x", fixed_input(at)[None])[0]
    assert distance(here, theirs(nn.Dropout(0.25), fixed_input(at))) < 5
    assert distance((here != 0).double(), (theirs(make(0.25, 1), fixed_input(at)) != 0).double()) < 5


@pytest.mark.parametrize("make", [in_vision, in_timm])
def test_their_scale_depends_on_the_batch_and_ours_does_not(make: Make) -> None:
    """One example beside others: the mean of theirs is 1 in every batch, so what is kept has another value in each."""
    x = torch.ones(4, 3, 6, 6)
    kept = []
    for seed in range(8):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            out = make(0.3, 3).train()(x)
        assert float(out.mean()) == pytest.approx(1, abs=1e-4)
        kept.append(float(out.max()))
    assert len(set(kept)) > 4
    at = Site("x", "activation", (3, 6, 6), "CHW")
    noise = stack_noise("dropblock", at, [0.3], [0], 4)
    values = torch.cat([noise("x", x[None]).unique() for _ in range(8)]).unique()
    torch.testing.assert_close(values, torch.tensor([0, 1 / 0.7]), rtol=1e-4, atol=0)


def test_far_from_borders_with_a_small_gamma_all_agree() -> None:
    """The limit for which the paper derives its γ: 1 - (1 - γ)^9 is 9 γ, and 38² seeds of 40² are nearly all.

    timm's surplus of seeds is 40² / 38² even there, 11 %.
    """
    rate, n, side = 0.02, 400, 40
    here = drop_fraction(~realised_here(rate, 3, side, n))
    seen = {make: drop_fraction(~realised_by(make(rate, 3), side, n)) for make in (in_vision, in_timm)}
    assert abs(here[0] - seen[in_vision][0]) < 5 * math.hypot(here[1], seen[in_vision][1])
    more = predicted(in_timm, rate, 3, side).mean()
    assert abs(seen[in_timm][0] - more) < 5 * seen[in_timm][1] and 1.05 < more / rate < 40**2 / 38**2


def test_shared_by_all_channels_is_timms_default() -> None:
    apart, together = (
        theirs(timm_layers().DropBlock2d(0.2, 3, couple_channels=coupled), torch.ones(50, 4, 6, 6)) == 0
        for coupled in (False, True)
    )
    assert torch.equal(together, together[:, :1].expand_as(together))
    assert not torch.equal(apart, apart[:, :1].expand_as(apart))
    at = Site("x", "activation", (4, 6, 6), "CHW")
    mask = stack_noise("dropblock.shared", at, [0.2], [0], 50)("x", torch.ones(1, 50, 4, 6, 6))[0] == 0
    assert torch.equal(mask, mask[:, :1].expand_as(mask)) and SET_UP["dropblock"].shared is False  # type: ignore[attr-defined]
