"""`dropout=own` does what the user's layers do: the numbers that torch's layers drop together, a variant drops together."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

from dropbench.config.compose import composer
from dropbench.models.found.current import Current, Taken
from dropbench.models.found.imitated import DROPOUTS, imitated
from dropbench.models.found.place import Place, place
from dropbench.planning.variants import variant
from dropbench.sites import Kind

LAYOUTS: dict[str, tuple[tuple[int, ...], bool]] = {
    "vectors": ((16,), False),
    "steps, channels first": ((16, 12), True),
    "steps, channels last": ((12, 16), False),
    "maps, channels first": ((16, 6, 5), True),
    "maps, channels last": ((6, 5, 16), False),
    "volumes, channels first": ((8, 4, 3, 5), True),
}
N = 24


def shared(dropped: Tensor) -> tuple[int, ...]:
    """The axes along which all numbers are dropped together, or none of them."""
    return tuple(axis for axis in range(dropped.ndim) if (dropped == dropped.narrow(axis, 0, 1)).all())


def of_torch(layer: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The axes along which a layer has one draw; None if it refuses a tensor of this shape."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of layers that are given another number of axes than they are for
        try:
            out = layer(torch.ones(N, *shape))
        except RuntimeError:
            return None
    return shared(out == out.min())


def of_variant(name: str, at: Place) -> tuple[int, ...]:
    """The axes of the user's tensor along which the variant has one draw."""
    with composer() as c:
        noise = variant(c.compose({"dropout": f"dropout={name}"}).spec.dropout).noise_shape(at.site, N)
    whole = [axis for axis, n in enumerate(noise[1:]) if n == 1]
    extra = len(at.order) - len(at.site.shape)  # neighbouring axes that the site has as one
    axes = [a + extra if a > 1 else a for a in whole] + [a for a in range(2, 2 + extra) if 1 in whole]
    return tuple(sorted(1 + at.order[axis] for axis in axes))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("layer", DROPOUTS, ids=lambda layer: layer.__name__)
def test_the_variant_drops_the_same_numbers_together(layer: type[nn.Module], layout: str) -> None:
    shape, first = LAYOUTS[layout]
    by = Taken(Current(), "drop", "activation", 0.5, layer)
    at = place("drop", "activation", (2, *shape), (3, *shape), channels_first=first, own=0.5)
    assert at is not None
    together, name = of_torch(layer(0.5), shape), imitated(by, 1 + len(shape), at)
    alpha = layer in (nn.AlphaDropout, nn.FeatureAlphaDropout)
    if name is not None:
        assert of_variant(name, at) == together and (name == "alpha") == alpha
        return
    # No variant drops these together: neither single numbers nor, with a variant for it, whole maps.
    assert together != () and (together is None or alpha or len(shape) == 1 or of_variant("spatial", at) != together)


@pytest.mark.parametrize("layer", DROPOUTS, ids=lambda layer: layer.__name__)
def test_of_attention_weights_only_single_ones_are_dropped_by_a_variant(layer: type[nn.Module]) -> None:
    by = Taken(Current(), "drop", "activation", 0.5, layer)
    at = place("drop", "attention", (2, 4, 6, 6), (3, 4, 6, 6), channels_first=False, own=0.5)
    assert at is not None
    assert imitated(by, 4, at) == ("attention" if layer is nn.Dropout else None)


@pytest.mark.parametrize("first", [False, True])
def test_examples_that_are_not_the_first_axis_are_no_maps(first: bool) -> None:
    """[T, B, F]: torch takes the examples for the channels, and drops all of some examples."""
    by = Taken(Current(), "drop", "activation", 0.5, nn.Dropout1d)
    at = place("drop", "activation", (7, 2, 5), (7, 3, 5), channels_first=first, own=0.5)
    assert at is not None and imitated(by, 3, at) is None


@pytest.mark.parametrize(("kind", "name"), [("branch", "stochastic_depth"), ("attention", "attention")])
def test_layers_that_are_not_of_torchs_dropout(kind: Kind, name: str) -> None:
    at = place("drop", kind, (2, 5, 6), (3, 5, 6), channels_first=False, own=0.5)
    assert at is not None and imitated(Taken(Current(), "drop", kind, 0.5), 3, at) == name
    still = place("drop", kind, (2, 5, 6), (3, 5, 6), channels_first=False)
    assert still is not None and imitated(Taken(Current(), "drop", kind), 3, still) is None
