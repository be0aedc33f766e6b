"""Dropout before batch norm: the variance shift of Li et al. 2019, measured; and noise with batch norm in evaluation."""

from __future__ import annotations

import pytest
import torch
from noise_kit import stack_noise

from dropbench.engine.streams import StackedDraws
from dropbench.models.block import BatchNormPlace, DenseBlock

RATE, BATCH = 0.5, 512


def block(place: BatchNormPlace) -> DenseBlock:
    made = DenseBlock(1, "hidden.0", 20, 30, "relu", place)
    made.linear.reset(StackedDraws([0], "init", torch.device("cpu")))
    return made


def variances(place: BatchNormPlace, rate: float) -> tuple[float, float]:
    """The variance of what batch norm puts out, in training and in evaluation, once its statistics have settled."""
    model = block(place)
    noise = stack_noise("standard", model.sites[1], [rate], [0], BATCH)
    found: list[torch.Tensor] = []
    assert model.norm is not None
    model.norm.register_forward_hook(lambda module, args, out: found.append(out))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for step in range(81):
            model.train(step < 80)
            noise.training = step < 80
            model(torch.randn(1, BATCH, 20, generator=generator), noise)
    train, evaluation = (torch.stack(f).flatten(0, 2).var(0).mean() for f in (found[-11:-1], found[-1:]))
    return float(train), float(evaluation)


@pytest.mark.parametrize("place", ["before_activation", "after_activation"])
def test_no_shift_where_batch_norm_comes_first(place: BatchNormPlace) -> None:
    train, evaluation = variances(place, RATE)
    assert train == pytest.approx(1, abs=0.01) and evaluation == pytest.approx(train, rel=0.05)


def test_shift_where_dropout_comes_first() -> None:
    """At rate 1/2 dropout doubles a unit's mean square m: its variance goes from m - mean^2 to 2 m - mean^2.

    Of a rectified unit normal m = 1/2 and mean^2 = 1 / (2 pi), so evaluation has 0.40 of the variance of training.
    """
    train, evaluation = variances("after_dropout", RATE)
    assert train == pytest.approx(1, abs=0.01)
    assert evaluation == pytest.approx(0.405, abs=0.04)
    still, quiet = variances("after_dropout", 0.0)
    assert quiet == pytest.approx(still, rel=0.05)


def test_noise_stays_on_while_batch_norm_evaluates() -> None:
    """Monte Carlo dropout that also trains batch norm would move its statistics with every sample."""
    model = block("before_activation").eval()
    noise = stack_noise("standard", model.sites[1], [RATE], [0], BATCH)
    x = torch.randn(1, BATCH, 20) + 3
    assert noise.training and not torch.equal(model(x, noise), model(x, noise))
    assert model.norm is not None and not model.norm.running_mean.any()
