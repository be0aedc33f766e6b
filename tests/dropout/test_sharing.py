"""What shares a draw, said here a second time and by hand; and the traps of shapes."""

from __future__ import annotations

import pytest
import torch
from noise_kit import SITES, VARIANTS, factor, site, stack_noise
from torch import Tensor

BATCH = 200


def dropped(variant: str, where: str, rate: float = 0.5) -> Tensor:
    """[B, *shape] (or [I + 1, O]): what one step drops."""
    at = site(where)
    return factor(stack_noise(variant, at, [rate], [0], BATCH), at, 1, BATCH)[0] == 0


def whole(mask: Tensor, axis: int) -> bool:
    """Whether all elements along an axis fall together."""
    return bool((mask == mask.narrow(axis, 0, 1)).all())


@pytest.mark.parametrize("variant", ["standard", "classic", "unscaled", "alpha"])
@pytest.mark.parametrize("where", ["f", "maps", "steps"])
def test_single_elements(variant: str, where: str) -> None:
    mask = dropped(variant, where)
    assert not any(whole(mask, axis) for axis in range(mask.ndim))


def test_spatial_drops_whole_maps_and_not_whole_pixels() -> None:
    mask = dropped("spatial", "maps")
    assert whole(mask, 2) and whole(mask, 3) and not whole(mask, 1) and not whole(mask, 0)


def test_spatial_on_a_sequence_drops_features_and_not_steps() -> None:
    """`Dropout2d` on [B, T, F] takes T for the channels and drops whole steps."""
    mask = dropped("spatial", "steps")
    assert whole(mask, 1) and not whole(mask, 2) and not whole(mask, 0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = torch.nn.Dropout1d(0.5)(torch.ones(BATCH, 7, 24)) == 0
    assert whole(theirs, 2) and not whole(theirs, 1), "torch's reading of the same tensor, which this is not"


@pytest.mark.parametrize("where", ["steps", "state"])
def test_locked_holds_along_time_only(where: str) -> None:
    mask = dropped("locked", where)
    assert whole(mask, 1) and not whole(mask, 2) and not whole(mask, 0)


def test_locked_is_drawn_anew_for_each_batch() -> None:
    at = site("state")
    noise = stack_noise("locked", at, [0.5], [0], BATCH)
    assert not torch.equal(factor(noise, at, 1, BATCH), factor(noise, at, 1, BATCH))


def test_dropconnect_has_one_mask_a_batch_and_drops_biases() -> None:
    at = site("weight")
    noise = stack_noise("dropconnect", at, [0.5], [0], BATCH)
    x = torch.ones(1, BATCH, at.shape[0])
    out = noise.affine(at.name, x, torch.ones(1, *at.shape), torch.zeros(1, 1, at.shape[1]), lambda z: z)
    assert whole(out, 1), "equal examples come out equal"
    mask = dropped("dropconnect", "weight")
    assert mask.shape == (31, 16) and not whole(mask, 0) and not whole(mask, 1)
    assert 0 < int(mask[-1].sum()) < 16


def test_a_rate_is_no_keep_probability() -> None:
    for variant, where in (("standard", "f"), ("spatial", "maps"), ("locked", "steps"), ("dropconnect", "weight")):
        assert float(dropped(variant, where, 0.1).float().mean()) == pytest.approx(0.1, abs=0.05)


ACTS = {
    "none": set(),
    "standard": {"f", "maps", "steps", "read", "nodes", "hidden"},
    "gaussian": {"f", "maps", "steps", "read", "nodes", "hidden"},
    "spatial": {"maps", "steps", "read", "hidden"},
    "locked": {"steps", "read", "state", "hidden"},
    "classic": {"f", "maps", "steps", "read", "nodes", "hidden"},
    "unscaled": {"f", "maps", "steps", "read", "nodes", "hidden"},
    "alpha": {"f", "maps", "steps", "read", "nodes", "hidden"},
    "dropblock": {"maps"},
    "recurrent": {"state"},
    "dropconnect": {"weight"},
    "drop_edge": {"edges"},
    "node_features": {"nodes"},
    "stochastic_depth": {"residual"},
    "layer_drop": {"residual"},
    "shake_drop": {"residual"},
    "shake_shake": {"two"},
    "patch_dropout": {"patches"},
    "attention": {"attended", "hidden"},
}


@pytest.mark.parametrize("variant", ACTS)
def test_where_each_acts(variant: str) -> None:
    assert {s.name for s in SITES if VARIANTS[variant].supports(s) is None} == ACTS[variant]
