"""Alpha dropout beside torch's; and the moments that it keeps, over many layers, where standard dropout does not."""

from __future__ import annotations

import math

import pytest
import torch
from noise_kit import VARIANTS, noisy, site, theirs
from scipy import stats
from specs_kit import planned
from torch import Tensor, nn

from dropbench.sites import Site

BATCH = 4000
AT = site("f")


def normal(seed: int = 0) -> Tensor:
    return torch.randn(BATCH, 48, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("value", [1.0, 0.0, -1.7])
def test_torchs_two_values_as_often(rate: float, value: float) -> None:
    x = torch.full((BATCH, 48), value)
    a, b = noisy("alpha", AT, x, rate), theirs(nn.AlphaDropout(rate), x)
    low, high = (sorted(set(y.unique().tolist())) for y in (a, b))
    assert len(low) == len(high) == 2
    torch.testing.assert_close(torch.tensor(low), torch.tensor(high), rtol=1e-3, atol=1e-4)
    n = x.numel()
    counts = [int((y > y.mean()).sum()) for y in (a, b)]
    assert abs(counts[0] - counts[1]) < 5 * math.sqrt(2 * n * rate * (1 - rate))


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_same_distribution_as_torchs_on_normal_inputs(rate: float) -> None:
    """To three decimals: half of the mass may lie on one value, which differs by the rounding of the rate."""
    outs = noisy("alpha", AT, normal(0), rate), theirs(nn.AlphaDropout(rate), normal(1))
    a, b = (y.flatten().numpy().round(3) for y in outs)
    assert stats.ks_2samp(a, b, method="asymp").pvalue > 1e-3


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5, 0.9])
def test_mean_0_and_variance_1_are_kept_and_standard_keeps_the_mean_only(rate: float) -> None:
    n = BATCH * 48
    out = noisy("alpha", AT, normal(), rate).double()
    kurtosis = float((out**4).mean())
    assert abs(float(out.mean())) < 5 / math.sqrt(n)
    assert abs(float(out.var()) - 1) < 5 * math.sqrt((kurtosis - 1) / n)
    standard = noisy("standard", AT, normal(), rate).double()
    assert float(standard.var()) == pytest.approx(1 / (1 - rate), rel=0.1)


def moments(variant: str, layers: int, rate: float) -> tuple[float, float]:
    """Mean and variance after layers of SELU under noise, with LeCun's initialisation."""
    x = normal()
    for layer in range(layers):
        w = torch.randn(48, 48, generator=torch.Generator().manual_seed(10 + layer)) / math.sqrt(48)
        w = w - w.mean(0)  # what the paper assumes of a unit's weights, and holds only on average
        w = w / w.norm(dim=0)
        x = noisy(variant, AT, torch.selu(x @ w), rate, seed=layer)
    return float(x.mean()), float(x.var())


def test_self_normalising_through_16_layers() -> None:
    mean, variance = moments("alpha", 16, 0.1)
    assert abs(mean) < 0.1 and abs(variance - 1) < 0.2
    mean, variance = moments("standard", 16, 0.1)
    assert variance > 1.3


def test_after_relu_it_keeps_neither() -> None:
    """Why it is for SELU: a layer with a mean of its own is moved."""
    x = torch.relu(normal())
    out = noisy("alpha", AT, x, 0.5)
    assert abs(float(out.mean()) - float(x.mean())) > 0.05 and abs(float(out.var()) / float(x.var()) - 1) > 0.2


def test_the_constant_is_selus_limit() -> None:
    from dropbench.dropout import alpha

    assert float(torch.selu(torch.tensor(-100.0, dtype=torch.float64))) == pytest.approx(alpha._LOWEST, rel=1e-9)


def test_bf16_in_bf16_out() -> None:
    assert noisy("alpha", AT, normal().bfloat16(), 0.3).dtype == torch.bfloat16


@pytest.mark.parametrize(("follows", "warned"), [("relu", True), ("gelu", True), ("selu", False), (None, False)])
def test_it_warns_of_another_activation_where_that_is_known(follows: str | None, warned: bool) -> None:
    warning = VARIANTS["alpha"].warns(Site("x", "activation", (3,), "F", follows=follows))
    assert (warning is not None) == warned
    assert warning is None or ((follows or "") in warning and "model.activation=selu" in warning)


def test_a_plan_tells_each_warning_once_and_only_of_where_there_is_noise() -> None:
    mlp = ("data=wine", "model=mlp", "model.widths=[8,8]")
    (warning,) = planned(*mlp, "dropout=standard,alpha", "dropout.rate=0.1,0.2", "seed=0,1").warnings
    assert "relu" in warning
    assert len(planned(*mlp, "dropout=alpha", "model.activation=relu,tanh,selu").warnings) == 2
    assert planned(*mlp, "dropout=alpha", "model.activation=selu").warnings == ()
    assert planned(*mlp, "dropout=alpha", "dropout.placement=input").warnings == ()
    assert planned(*mlp, "dropout=alpha", "dropout.rate=0").warnings == ()


def test_spatial_warns_of_maps_of_one_position() -> None:
    shapes = {"CHW": (3, 1, 1), "TF": (1, 3)}
    for axes, shape in shapes.items():
        warning = VARIANTS["spatial"].warns(Site("x", "activation", shape, axes))
        assert warning is not None and "dropout=standard" in warning
        assert VARIANTS["spatial"].warns(Site("x", "activation", tuple(n + 2 for n in shape), axes)) is None
