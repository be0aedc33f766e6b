"""Which axes of a parameter hold the incoming weights of a unit: the vectors whose norm `train.max_norm` limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from torch import Tensor, nn

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)


class Incoming(NamedTuple):
    """The axes of a stacked parameter [K, ...] along which the incoming weights of a unit lie; the others number the units.

    With `groups`, the axes are counted after axis 1 has been split into that many groups, [K, groups, ...].
    """

    axes: tuple[int, ...]
    groups: int | None = None


def incoming(module: nn.Module, name: str, parameter: Tensor) -> Incoming | None:
    """Returns the incoming axes of one replica's parameter, given its name in the module; None if it holds no unit weights.

    torch's layers, except transposed convolutions, have the units on the first axis and their inputs on the others; the same
    is assumed of a user's layer. A layer for which it does not hold declares the input axes of its parameters by name:
    `self.incoming = {"weight": (0,)}`.
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
        return None  # one tensor for all examples, such as positions or the keys that attention adds, acts like a bias
    return Incoming(tuple(range(2, parameter.ndim + 1)))


def declared(model: nn.Module) -> Iterator[tuple[str, Tensor, Incoming]]:
    """Yields each stacked parameter that holds unit weights, with its name and its incoming axes.

    dropbench's own layers declare the axes in `incoming`; for a user's module the function `incoming` determined them.
    """
    for path, layer in model.named_modules():
        own = getattr(layer, "incoming", {})
        for name, into in own.items() if isinstance(own, Mapping) else ():
            whole = into if isinstance(into, Incoming) else Incoming(tuple(into))
            yield f"{path}.{name}" if path else name, getattr(layer, name), whole


def axes_into_units(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Returns the incoming axes of each stacked parameter of `declared` by name, except for those with groups."""
    return {name: into.axes for name, _, into in declared(model) if into.groups is None}


def vectors(model: nn.Module) -> set[str]:
    """Returns the names of a stack's parameters that are not weights: biases, scales and shifts.

    These have one axis per replica. A weight from or to a single unit also has only one axis longer than 1, but is a weight.
    """
    weights = {name for name, *_ in declared(model)}
    rest = ((name, p) for name, p in model.named_parameters() if name not in weights)
    return {name for name, p in rest if name.rpartition(".")[2].startswith("bias") or p[0].squeeze().ndim <= 1}
