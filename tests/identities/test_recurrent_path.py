"""What masks on the hidden-to-hidden path do to a linear state over T steps.

h_T = W D_T W D_{T-1} ... W D_1 h_0, with D_t the diagonal of the mask at step t. Masks of 0 and 1 with probability keep
of 1:

- a new mask at every step: D_1 ... D_T are independent, so E h_T = (keep W)^T h_0; for W = I an element survives with keep^T;
- one mask a sequence: D^T = D for W = I, so it survives with probability keep, however long the sequence.

Scaled by 1 / keep at every step, as they are here, the means for W = I become keep^T / keep^T = 1 and keep / keep^T =
keep^(1-T), and the second moments keep^T / keep^2T = keep^-T and keep^(1-2T). So a new mask at every step leaves the
mean path as it is, E h_T = W^T h_0 (its harm is the variance and the short memory), and one mask a sequence does not: E
(W D)^T is no power of E W D.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from every_mask import Law, every_mask, normal, standard_errors
from noise_kit import stack_noise
from torch import Tensor

from dropbench.sites import Site

T, BATCH = 7, 4000
RATES = [0.125, 0.3125]
FIXED, NAIVE = "recurrent", "recurrent.naive"


def steps(variant: str, rate: float, features: int, batch: int, seed: int = 0) -> Callable[[Tensor, int], Tensor]:
    act = stack_noise(variant, Site("state", "recurrent", (T, features), "TF"), [rate], [seed], batch).steps("state")
    assert act is not None
    return act


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("variant", "survival"), [(NAIVE, lambda keep, t: keep**t), (FIXED, lambda keep, t: keep)], ids=[NAIVE, FIXED]
)
def test_an_element_after_each_step(variant: str, rate: float, survival: Callable[[float, int], float]) -> None:
    """Survival, mean and second moment, for every t up to T."""
    keep, act = 1 - rate, steps(variant, rate, 24, BATCH)
    state = torch.ones(1, BATCH, 24, dtype=torch.float64)
    for t in range(1, T + 1):
        state = act(state, t - 1)
        left = survival(keep, t)
        for power, samples in ((0, (state != 0).double()), (1, state), (2, state**2)):
            mean = torch.tensor(left / keep ** (power * t), dtype=torch.float64)
            assert float(standard_errors(samples.flatten(), mean)) < 5
        if variant == FIXED:  # One value, keep^-t, wherever anything is left.
            values = torch.tensor([0, keep**-t], dtype=torch.float64)
            torch.testing.assert_close(state.unique(), values, rtol=1e-6, atol=0)


def mean_path(masks: list[Tensor], w: Tensor, start: Tensor) -> Tensor:
    """States [M, d] after as many steps as there are masks [M, d]."""
    state = start.expand(len(masks[0]), -1)
    for mask in masks:
        state = (state * mask) @ w.T
    return state


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("variant", [NAIVE, FIXED])
def test_a_path_that_mixes(variant: str, rate: float) -> None:
    """Three steps of two units: by all masks, 2^(2·3) of them or 2^2, and by the engine."""
    length, keep = 3, 1 - rate
    w, start = normal(0, 2, 2), normal(1, 2)
    of = Law(torch.tensor([0, 1 / keep], dtype=torch.float64), torch.tensor([rate, keep], dtype=torch.float64))
    drawn, p = every_mask(of, 2 * (length if variant == NAIVE else 1))
    masks = list(drawn.split(2, 1)) if variant == NAIVE else [drawn] * length
    expected = p @ mean_path(masks, w, start)
    noiseless = torch.linalg.matrix_power(w, length) @ start
    if variant == NAIVE:
        torch.testing.assert_close(expected, noiseless, rtol=0, atol=1e-12)

    n = 50_000
    act = steps(variant, rate, 2, n)
    state = start.expand(1, n, 2)
    for t in range(length):
        state = act(state, t) @ w.T
    assert float(standard_errors(state[0], expected).max()) < 5
    if variant == FIXED:
        assert float(standard_errors(state[0], noiseless).max()) > 20
