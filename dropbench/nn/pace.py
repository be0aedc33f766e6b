"""Factors of the learning rate and the weight decay for single parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn


class Pace(NamedTuple):
    """The factors of `train.lr` and `train.weight_decay` for one parameter.

    A layer sets them for its own parameters by name: `self.paces = {"bias": Pace(decay=0.0)}`. With decoupled weight decay
    (adamw) a step shrinks a parameter by the product of its learning rate and its weight decay, so a parameter that learns
    slowly also decays slowly.
    """

    lr: float = 1.0
    decay: float = 1.0


def paces(model: nn.Module) -> list[Pace]:
    """Returns the factors of a model's parameters, in the order of `model.parameters()`."""
    of = {id(p): pace for p, pace in _said(model)}
    return [of.get(id(p), Pace()) for p in model.parameters()]


def _said(model: nn.Module) -> Iterator[tuple[nn.Parameter, Pace]]:
    for layer in model.modules():
        said = getattr(layer, "paces", {})
        if isinstance(said, dict):
            own = layer.named_parameters(recurse=False)
            yield from ((p, said[name]) for name, p in own if isinstance(said.get(name), Pace))
