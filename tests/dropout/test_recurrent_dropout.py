"""What masks on the hidden-to-hidden path do over time: one a sequence, or the naive kind, one a step."""

from __future__ import annotations

import math

import pytest
import torch
from noise_kit import SET_UP, randomised, site, stack_noise
from torch import Tensor

from dropbench.nn.recurrent import CellNoise, Recurrent
from dropbench.sites import Site

STEPS = 7
AT = site("state")


def masks(variant: str, rate: float, batch: int = 500) -> Tensor:
    """[T, B, H], as a layer meets them."""
    act = stack_noise(variant, AT, [rate], [0], batch).steps(AT.name)
    assert act is not None
    return torch.stack([act(torch.ones(1, batch, AT.shape[1]), t)[0] for t in range(STEPS)])


def test_equal_over_steps_by_default() -> None:
    fixed = masks("recurrent", 0.5)
    assert bool((fixed == fixed[0]).all())
    assert not bool((fixed == fixed[:, :1]).all()) and not bool((fixed == fixed[..., :1]).all())


def test_naive_masks_differ_and_are_independent_between_steps() -> None:
    naive = masks("recurrent.naive", 0.5) > 0
    n = naive[0].numel()
    for s in range(STEPS):
        for t in range(s):
            assert abs(int((naive[s] == naive[t]).sum()) - n / 2) < 5 * math.sqrt(n) / 2


@pytest.mark.parametrize("rate", [0.1, 0.3])
@pytest.mark.parametrize(
    ("variant", "unscaled", "scaled"),
    [
        ("recurrent.naive", lambda keep: keep**STEPS, lambda keep: 1.0),
        ("recurrent", lambda keep: keep, lambda keep: keep ** (1 - STEPS)),
    ],
)
def test_a_linear_path_over_t_steps(variant: str, rate: float, unscaled: object, scaled: object) -> None:
    """E of a state that passes T masks: keep^T for unscaled masks drawn anew, keep for one mask, as in the docstring."""
    assert callable(unscaled) and callable(scaled)
    path = masks(variant, rate, 4000).double()
    for left, mean in (((path > 0).double().prod(0), unscaled(1 - rate)), (path.prod(0), scaled(1 - rate))):
        # A state that is left at all is left at one value, with this probability.
        p = unscaled(1 - rate)
        assert abs(float(left.mean()) / mean - 1) < 5 * math.sqrt((1 - p) / p / left.numel()) + 1e-3


@pytest.mark.parametrize("variant", ["recurrent", "recurrent.naive"])
@pytest.mark.parametrize("cell", ["vanilla", "lstm", "gru"])
def test_a_layer_meets_these_masks_and_the_outputs_are_left_alone(variant: str, cell: str) -> None:
    """A layer whose hidden-to-hidden weight is dropped by hand, a step at a time, gives the same states."""
    layer = Recurrent(1, 5, AT.shape[1], cell)  # type: ignore[arg-type]
    generator = randomised(layer, 0.25)
    x = torch.randn(1, 6, STEPS, 5, generator=generator)
    out, _ = layer(x, CellNoise(state=stack_noise(variant, AT, [0.4], [2], 6).steps(AT.name)))
    twin = stack_noise(variant, AT, [0.4], [2], 6).steps(AT.name)
    assert twin is not None
    by_hand = [twin(torch.ones(1, 6, AT.shape[1]), t) for t in range(STEPS)]
    torch.testing.assert_close(out, layer(x, CellNoise(state=lambda state, t: state * by_hand[t]))[0])
    # The first state has seen no mask: zero before it. The second has.
    plain, _ = layer(x)
    assert torch.equal(out[:, :, 0], plain[:, :, 0]) and not torch.equal(out[:, :, 1], plain[:, :, 1])
    assert bool((out != 0).all()), "what leaves the layer is not dropped"


@pytest.mark.parametrize("variant", ["recurrent.candidate", "recurrent.candidate_naive"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_no_memory_is_lost_where_the_candidate_is_dropped(variant: str, cell: str) -> None:
    """Semeniuta et al. 2016: with the gates open to the past and shut to the new, a state outlives any number of masks.

    With the state dropped instead it is what the gates see that is noisy, so that they cannot stay so.
    """
    features = site("update").shape[1]
    layer = Recurrent(1, 1, features, cell)  # type: ignore[arg-type]
    with torch.no_grad():
        for p in layer.parameters():
            p.zero_()
        gates = layer.bias_input.view(-1, features)  # i, f, g, o or r, z, n
        gates[1], gates[0] = 30, (-30 if cell == "lstm" else 0)
    held = torch.linspace(-0.9, 0.9, features).expand(1, 6, -1)
    noise = stack_noise(variant, site("update"), [0.5], [0], 6)
    _, (last, memory) = layer(
        torch.zeros(1, 6, STEPS, 1), CellNoise(candidate=noise.steps("update")), start=(held, held)
    )
    torch.testing.assert_close(memory if cell == "lstm" else last, held)


def test_each_place_has_sites_of_its_own() -> None:
    update = site("update")
    assert SET_UP["recurrent.candidate"].supports(update) is None and SET_UP["recurrent"].supports(update)
    reason = SET_UP["recurrent.candidate"].supports(AT)
    assert reason == "with where=candidate acts on candidate sites, and state is of kind recurrent"


def test_recurrent_sites_only() -> None:
    assert SET_UP["recurrent"].supports(AT) is None
    assert SET_UP["recurrent"].supports(Site("hidden.0", "activation", (7, 24), "TF")) is not None


def test_the_fixed_kind_is_locked_on_the_recurrent_path() -> None:
    """Gal & Ghahramani's variant without its inputs and outputs: same stream, same masks."""
    assert torch.equal(masks("recurrent", 0.3), masks("locked", 0.3))
