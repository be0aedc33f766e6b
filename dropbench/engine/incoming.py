"""Which numbers of a parameter come into one unit of a layer: what `train.max_norm` limits the length of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from torch import Tensor, nn

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)


class Incoming(NamedTuple):
    """Axes of a stacked parameter [K, ...] that come into a unit; all others tell units apart.

    With `groups` they are those of the parameter with axis 1 taken apart into so many groups, [K, groups, ...].
    """

    axes: tuple[int, ...]
    groups: int | None = None


def incoming(module: nn.Module, name: str, parameter: Tensor) -> Incoming | None:
    """Of one replica's parameter, by its name in its module; None where it holds no weights of units.

    torch's layers put the units first and what comes in after, but for transposed convolutions, and so may a user's. One that
    does not says what comes in: `self.incoming = {"weight": (0,)}`, axes of its parameter by its name.
    """
    path, _, own = name.rpartition(".")
    layer = module.get_submodule(path)
    declared = getattr(layer, "incoming", {})
    if isinstance(declared, Mapping) and own in declared:
        return Incoming(tuple(axis + 1 for axis in declared[own]))
    if parameter.ndim < 2 or isinstance(layer, _NORMS):
        return None
    if isinstance(layer, _TRANSPOSED):  # [inputs, outputs / groups, ...]
        return Incoming((2, *range(4, parameter.ndim + 2)), layer.groups)
    if parameter.ndim > 2 and len(parameter) == 1 and not isinstance(layer, nn.modules.conv._ConvNd | nn.Bilinear):
        return None  # one for all examples, such as positions or the keys that attention adds: it is a bias
    return Incoming(tuple(range(2, parameter.ndim + 1)))


def declared(model: nn.Module) -> Iterator[tuple[str, Tensor, Incoming]]:
    """Each stacked parameter of a model that holds weights of units, with its name and what comes into a unit.

    A layer of ours says so by `incoming`; for a user's module it was found by the function of that name.
    """
    for path, layer in model.named_modules():
        own = getattr(layer, "incoming", {})
        for name, into in own.items() if isinstance(own, Mapping) else ():
            whole = into if isinstance(into, Incoming) else Incoming(tuple(into))
            yield f"{path}.{name}" if path else name, getattr(layer, name), whole


def axes_into_units(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """By name of each stacked parameter of `declared` the axes that come into a unit, where those are whole axes."""
    return {name: into.axes for name, _, into in declared(model) if into.groups is None}


def vectors(model: nn.Module) -> set[str]:
    """The names of a stack's parameters that are no weights: biases, and scales and shifts, which have one axis a replica.

    A weight from or to a single unit has one that is longer than 1, too, and is none of them.
    """
    weights = {name for name, *_ in declared(model)}
    rest = ((name, p) for name, p in model.named_parameters() if name not in weights)
    return {name for name, p in rest if name.rpartition(".")[2].startswith("bias") or p[0].squeeze().ndim <= 1}
