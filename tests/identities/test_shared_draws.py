"""The variance of a linear readout under noise is vᵀ C v, where v_a = w_a x_a and C is the covariance of the factors.

Elements that share a draw have covariance σ², others none, so vᵀ C v = σ² Σ_groups (Σ_group v)²: dropping whole maps is
a ridge penalty on each map's contribution, not on each element's. Blocks overlap: two places whose blocks have n of
their block² seeds in common are kept together with probability keep^((2 block² - n) / block²), so C = keep^(-n /
block²) - 1 under inverted scaling, which for a place with itself is rate / keep. Mean and variance are those of the
engine's draws; a mask along a wrong axis has another variance.

Alpha dropout (Klambauer et al. 2017) puts out a (δ x + (1 - δ) α') + b = δ a (x - α') + const: the same with v = w a (x
- α').
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from every_mask import standard_errors, standard_errors_of_variance
from noise_kit import CASES, SET_UP, case_id, stack_noise, through
from torch import Tensor

from dropbench.sites import Site

N, RATE = 8000, 0.25
SHARED = {
    "standard": "",
    "classic": "",
    "unscaled": "",
    "gaussian": "",
    "alpha": "",
    "spatial": "HWT",
    "locked": "T",
    "recurrent": "T",
    "recurrent.naive": "",
    "recurrent.candidate": "T",
    "recurrent.candidate_naive": "",
    "attention": "",
    "node_features": "F",
    "embedding": "F",
}
"""The axes along which elements share a draw. A new variant whose elements do so in groups goes here."""
BLOCKS = [name for name in SET_UP if name.partition(".")[0] == "dropblock"]
HERE = [(v, at) for v, at in CASES if (v in SHARED or v in BLOCKS) and at.kind != "weight"]

KEEP = 1 - RATE
MEAN = {"classic": KEEP, "unscaled": KEEP}
LOWEST = float(torch.selu(torch.tensor(-1e3, dtype=torch.float64)))
SLOPE = (KEEP * (1 + RATE * LOWEST**2)) ** -0.5


def readout_variance(variant: str, at: Site, v: Tensor) -> Tensor:
    if variant in BLOCKS:
        return (v.flatten() @ block_covariance(variant, at) @ v.flatten()).squeeze()
    shared = [axis for axis, letter in enumerate(at.axes) if letter in SHARED[variant]]
    groups = v.sum(shared) if shared else v
    of_one = KEEP * RATE if variant in ("classic", "unscaled", "alpha") else RATE / KEEP
    return of_one * groups.square().sum()


def block_covariance(variant: str, at: Site) -> Tensor:
    """[C H W, C H W]."""
    made, (channels, *sides) = SET_UP[variant], at.shape
    common = []
    for n in sides:
        block = min(made.block_size, n)  # type: ignore[attr-defined]
        apart = (torch.arange(n)[:, None] - torch.arange(n)).abs()
        common.append((block - apart).clamp(min=0).double() / block)
    within = KEEP ** -torch.kron(*common) - 1
    across = torch.ones(channels, channels) if made.shared else torch.eye(channels)  # type: ignore[attr-defined]
    return torch.kron(across.double(), within)


@pytest.mark.parametrize(("variant", "at"), HERE, ids=case_id)
def test_mean_and_variance_of_a_linear_readout(variant: str, at: Site) -> None:
    """All of v of one sign, so that the groups' sums are as large as can be."""
    generator = torch.Generator().manual_seed(2)
    x, w = (torch.rand(at.shape, generator=generator, dtype=torch.float64) + 0.5 for _ in range(2))
    noise = stack_noise(variant, at, [RATE], [0], N)
    noisy = through(noise, at, [x.expand(1, N, *at.shape)])[0]
    readout = (noisy * w).flatten(1).sum(1)
    v, constant = w * x, torch.zeros((), dtype=torch.float64)
    if variant == "alpha":
        v, constant = w * SLOPE * (x - LOWEST), (w * SLOPE * LOWEST * (1 - RATE)).sum()
    mean = (KEEP if variant == "alpha" else MEAN.get(variant, 1.0)) * v.sum() + constant
    assert float(standard_errors(readout, mean)) < 5
    assert float(standard_errors_of_variance(readout, readout_variance(variant, at, v))) < 5


def test_sharing_matters_by_more_than_five_standard_errors_can_hide() -> None:
    """From the closed forms: each way of sharing along an axis longer than one at least doubles the variance."""
    at = next(at for v, at in HERE if v == "spatial" and at.axes == "CHW")
    v = torch.rand(at.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64) + 0.5
    ways = sorted(float(readout_variance(way, at, v)) for way in ("standard", "dropblock.even", "dropblock", "spatial"))
    assert all(more > 1.5 * less for less, more in itertools.pairwise(ways))
    assert 5 * math.sqrt(2 / N) < 0.1
