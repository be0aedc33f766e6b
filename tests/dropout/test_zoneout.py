"""Zoneout: what each step keeps, its expectation in evaluation, and the two rates of an LSTM."""

from __future__ import annotations

import math

import pytest
import torch
from noise_kit import VARIANTS, factor, randomised, site, stack_noise, through

from dropbench.models.rnn import RNN
from dropbench.nn.recurrent import Cell, CellNoise, Recurrent
from dropbench.sites.placement import site_rates

AT = site("next_state")


def test_a_unit_is_its_old_value_or_its_new_one() -> None:
    generator = torch.Generator().manual_seed(0)
    new, old = (torch.randn(1, 50, *AT.shape, generator=generator) for _ in range(2))
    out = through(stack_noise("zoneout", AT, [0.3], [0], 50), AT, [new, old])
    kept = factor(stack_noise("zoneout", AT, [0.3], [0], 50), AT, 1, 50)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(out, torch.where(kept > 0, new, old))


def test_every_step_has_a_mask_of_its_own() -> None:
    kept = factor(stack_noise("zoneout", AT, [0.5], [0], 500), AT, 1, 500)[0]
    n = kept[:, 0].numel()
    for s in range(AT.shape[0]):
        for t in range(s):
            assert abs(int((kept[:, s] == kept[:, t]).sum()) - n / 2) < 5 * math.sqrt(n) / 2


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.5])
def test_evaluation_is_the_expectation_of_a_step(rate: float) -> None:
    new, old = torch.full((1, 4000, *AT.shape), 3.0), torch.full((1, 4000, *AT.shape), -1.0)
    noise = stack_noise("zoneout", AT, [rate], [0], 4000)
    mean = float(through(noise, AT, [new, old]).double().mean())
    noise.training = False
    expected = rate * -1 + (1 - rate) * 3
    torch.testing.assert_close(through(noise, AT, [new, old]), torch.full_like(new, expected))
    assert abs(mean - expected) <= 5 * 4 * math.sqrt(rate * (1 - rate) / new.numel())


def test_a_unit_that_is_always_kept_would_remember_for_ever() -> None:
    """After T steps of a state that would move to 1, the share of units that have not is rate^T."""
    act = stack_noise("zoneout", AT, [0.5], [0], 4000).transition(AT.name)
    assert act is not None
    state = torch.zeros(1, 4000, AT.shape[1])
    for t in range(AT.shape[0]):
        state = act(state, torch.ones_like(state), t)
    p = 0.5 ** AT.shape[0]
    assert abs(float((state == 0).double().mean()) - p) < 5 * math.sqrt(p * (1 - p) / state.numel())


@pytest.mark.parametrize("training", [True, False])
def test_an_lstm_by_the_papers_equations(training: bool) -> None:
    """h_t is made of the new cell before its zoneout: with d_c = 1 throughout, c stays and h does not."""
    layer = Recurrent(1, 2, AT.shape[1], "lstm")
    generator = randomised(layer, 0.25)
    x = torch.randn(1, 5, AT.shape[0], 2, generator=generator)
    noise, twin = (stack_noise("zoneout", AT, [0.4], [0], 5) for _ in range(2))
    noise.training = training
    out, (_, cell) = layer(x, CellNoise(cell=noise.transition(AT.name)))
    new_share = factor(twin, AT, 1, 5)[0] if training else torch.full((5, *AT.shape), 0.6)
    h = c = torch.zeros(5, AT.shape[1])
    for t in range(AT.shape[0]):
        z = x[0, :, t] @ layer.weight_input[0] + h @ layer.weight_hidden[0] + layer.bias_input[0] + layer.bias_hidden[0]
        i, f, g, o = z.chunk(4, -1)
        new = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * new.tanh()
        c = (1 - new_share[:, t]) * c + new_share[:, t] * new
        torch.testing.assert_close(out[0, :, t], h)
    torch.testing.assert_close(cell[0], c)


def test_hidden_and_cell_have_rates_of_their_own() -> None:
    """By pattern, as the paper's; the common rate is for both."""
    sites = RNN(1, (5, 4), 3, hidden=5, layers=2).sites
    zoneout = VARIANTS["zoneout"]
    assert set(site_rates(zoneout, sites, 0.2, {}, None).values()) == {0.2}
    rates = site_rates(zoneout, sites, 0.2, {"recurrent.*.cell": 0.5, "recurrent.*.hidden": 0.05}, None)
    assert rates == {
        **{f"recurrent.{i}.hidden": 0.05 for i in range(2)},
        **{f"recurrent.{i}.cell": 0.5 for i in range(2)},
    }


@pytest.mark.parametrize("cell", ["vanilla", "gru", "lstm"])
def test_what_leaves_the_layer_is_zoned_out_too(cell: Cell) -> None:
    """The authors' TensorFlow wrapper returns the output as it was before."""
    layer = Recurrent(1, 2, AT.shape[1], cell)
    generator = randomised(layer, 0.25)
    x = torch.randn(1, 50, AT.shape[0], 2, generator=generator)
    out, (last, _) = layer(x, CellNoise(hidden=stack_noise("zoneout", AT, [0.5], [0], 50).transition(AT.name)))
    assert torch.equal(out[:, :, -1], last)
    stayed = out[0, :, 1:] == out[0, :, :-1]
    assert abs(float(stayed.double().mean()) - 0.5) < 5 * math.sqrt(0.25 / stayed.numel())
