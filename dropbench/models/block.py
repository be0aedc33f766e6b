"""The dense block that models share: linear map, activation, batch norm and noise, in a chosen order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal

from annotated_types import Gt
from torch import Tensor, nn

from dropbench.errors import UsageError
from dropbench.nn.activation import Activation, Parametric, function, gain
from dropbench.nn.linear import Linear
from dropbench.nn.norm import CHANNELS_OF_A_GROUP, BatchNorm, GroupNorm
from dropbench.sites import Site
from dropbench.sites.noise import Noise

Positive = Annotated[int, Gt(0)]
# `after_dropout` exists so that its harm can be measured, and is not recommended: the statistics that batch norm gathers
# with noise do not fit the network that is evaluated without noise (variance shift, Li et al. 2019, arXiv:1801.05134).
BatchNormPlace = Literal["none", "before_activation", "after_activation", "after_dropout"]
NormKind = Literal["none", "batch", "layer", "group"]


def placed(batch_norm: BatchNormPlace, norm: NormKind | None) -> tuple[BatchNormPlace, NormKind]:
    """Returns place and kind of the normalisation, from the options of a model.

    `batch_norm` says where batch norm is; the other kinds are before the activation.

    Raises
    ------
    UsageError
        If the two options contradict each other.
    """
    if norm in (None, "none"):
        return batch_norm, "none" if batch_norm == "none" else "batch"
    if norm == "batch":
        return "before_activation" if batch_norm == "none" else batch_norm, "batch"
    if batch_norm != "none":
        raise UsageError(
            f"model.norm={norm} model.batch_norm={batch_norm}: a layer has only one normalisation; remove one of the two"
        )
    return "before_activation", norm


def one_form(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a model's options in one standard form, in which `norm=batch` and `norm=none` become `batch_norm`.

    So runs of `model.norm=none,batch,layer,group` have the same ids as runs from before the option `norm` existed.
    """
    place, kind = placed(options.get("batch_norm", "none"), options.get("norm"))
    if kind in ("none", "batch"):
        options = {**options, "batch_norm": place, "norm": None}
    return switches(options, "skip", "two_branches")


def switches(options: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Replaces false by null in these options, since null is not part of an id and the options are newer than some runs."""
    return {**options, **{name: True if options[name] else None for name in names if name in options}}


def made_norm(kind: NormKind, replicas: int, channels: int) -> BatchNorm | GroupNorm | None:
    """Returns the layer that normalises `channels` channels; layer norm is a group norm with one group."""
    if kind == "none":
        return None
    if kind == "batch":
        return BatchNorm(replicas, channels)
    return GroupNorm(replicas, channels, 1 if kind == "layer" else channels // math.gcd(channels, CHANNELS_OF_A_GROUP))


class DenseBlock(nn.Module):
    """A dense layer from x [K, B, I] to [K, B, O], with the sites `name` (the output) and `name.weight`.

    A third site, `name.before`, is the output of the linear map, before normalisation and activation. Noise acts there only
    on request.

    Parameters
    ----------
    replicas : int
        K.
    name : str
        Name of the output's site.
    inputs, outputs : int
        I and O.
    activation : str
        The activation after the linear map.
    batch_norm : {"none", "before_activation", "after_activation", "after_dropout"}
        The place of batch norm.
    reader : str, optional
        Name of the parameter that multiplies the output, if there is no batch norm in between.
    parametric : bool
        Whether each unit learns its share of the activation: see `nn.activation.Parametric`.
    norm : {"none", "batch", "layer", "group"}, optional
        The kind of normalisation: see `placed`.
    """

    def __init__(
        self,
        replicas: int,
        name: str,
        inputs: int,
        outputs: int,
        activation: Activation,
        batch_norm: BatchNormPlace,
        reader: str | None = None,
        parametric: bool = False,
        norm: NormKind | None = None,
    ) -> None:
        super().__init__()
        batch_norm, kind = placed(batch_norm, norm)
        self.name = name
        self.linear = Linear(replicas, inputs, outputs, gain(activation))
        self.activation: Callable[[Tensor], Tensor] = (
            Parametric(replicas, outputs, activation) if parametric else function(activation)
        )
        self.batch_norm = batch_norm
        self.norm = made_norm(kind, replicas, outputs)
        self.sites = (
            Site(f"{name}.weight", "weight", (inputs, outputs), "IO"),
            Site(
                name,
                "activation",
                (outputs,),
                "F",
                reader=None if batch_norm == "after_dropout" else reader,
                follows=None if batch_norm == "after_activation" else activation,
            ),
            Site(f"{name}.before", "activation", (outputs,), "F", asked=True),
        )

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps x [K, B, I] to [K, B, O]."""
        norm = self.norm
        last = self.batch_norm == "after_dropout"
        then = self.activation if norm is None or last else partial(self._normalised, norm)
        if noise.placed(before := f"{self.name}.before"):
            then = _in_turn(partial(noise, before), then)
        x = noise.dense(self.name, x, self.linear.weight, self.linear.bias, then)
        return norm(x) if norm is not None and last else x

    def _normalised(self, norm: nn.Module, x: Tensor) -> Tensor:
        out: Tensor = self.activation(norm(x)) if self.batch_norm == "before_activation" else norm(self.activation(x))
        return out


def _in_turn(first: Callable[[Tensor], Tensor], then: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: then(first(x))
