"""That sums over every mask are sums over the engine's masks: the values, how often each, and each subset's
probability."""

from __future__ import annotations

import math

import pytest
import torch
from every_mask import ELEMENTWISE, INVERTED, RATES, SINGLE, every_mask, law, standard_errors, vector
from hypothesis import given
from noise_kit import VARIANTS, factor, stack_noise


@pytest.mark.parametrize("variant", [*ELEMENTWISE, "dropconnect"])
@given(rate=RATES)
def test_mean_and_variance(variant: str, rate: float) -> None:
    """Inverted: 1 and rate / (1 - rate), of a Bernoulli divided by keep. Not: keep and keep (1 - keep), of a Bernoulli."""
    keep = 1 - rate
    mean, variance = (1.0, rate / keep) if variant in INVERTED else (keep, keep * rate)
    assert law(variant, rate).mean == pytest.approx(mean, rel=SINGLE)
    assert law(variant, rate).variance == pytest.approx(variance, rel=2 * SINGLE)


@given(rate=RATES)
def test_gaussian_matches_bernoulli_noise_to_second_order_and_no_further(rate: float) -> None:
    """The third central moment of a normal is 0; that of δ / keep is E(δ - keep)³ / keep³ = rate (rate - keep) / keep²."""
    bernoulli, gaussian = law("standard", rate), law("gaussian", rate)
    for order in (1, 2):
        assert gaussian.moment(order) == pytest.approx(bernoulli.moment(order), rel=4 * SINGLE)
    keep = 1 - rate
    third = [float(of.probabilities @ (of.values - of.mean) ** 3) for of in (bernoulli, gaussian)]
    scale = (rate / keep) ** 1.5 + rate / keep**2
    assert third[0] == pytest.approx(rate * (rate - keep) / keep**2, abs=1e-5 * scale)
    assert third[1] == pytest.approx(0, abs=1e-12 * scale)


@pytest.mark.parametrize("variant", ELEMENTWISE)
@pytest.mark.parametrize("rate", [0.125, 0.5, 0.75])
def test_the_engines_draws_have_these_moments(variant: str, rate: float) -> None:
    """The first four, which is as many as the square of a gradient of a squared error has."""
    at = vector(50)
    drawn = factor(stack_noise(variant, at, [rate], [0], 8000), at, 1, 8000).double().flatten()
    for order in (1, 2, 3, 4):
        expected = torch.tensor(law(variant, rate).moment(order), dtype=torch.float64)
        assert float(standard_errors(drawn**order, expected)) < 5


@pytest.mark.parametrize("variant", [v for v in ELEMENTWISE if VARIANTS[v].draws == "bits"])
@pytest.mark.parametrize("rate", [0.125, 0.5, 0.75])
def test_each_thinned_network_is_drawn_as_often_as_its_probability(variant: str, rate: float) -> None:
    """Pearson's statistic X² over the k = 2^5 masks of five elements.

    E X² = k - 1 and Var X² = 2 (k - 1) + (Σ 1/p - k² - 2k + 2) / n exactly (Haldane 1937), so rare masks need no pooling.
    """
    at, n = vector(5), 60_000
    drawn = factor(stack_noise(variant, at, [rate], [0], n), at, 1, n)[0] != 0
    masks, probabilities = every_mask(law(variant, rate), 5)
    powers = 2 ** torch.arange(5)
    counts = torch.bincount(drawn.long() @ powers, minlength=32)[(masks != 0).long() @ powers]
    statistic = float(((counts - n * probabilities) ** 2 / (n * probabilities)).sum())
    variance = 2 * 31 + (float((1 / probabilities).sum()) - 32**2 - 2 * 32 + 2) / n
    assert abs(statistic - 31) < 5 * math.sqrt(variance)
