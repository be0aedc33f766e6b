"""How fast single parameters learn and decay, beside the learning rate and weight decay of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn


class Pace(NamedTuple):
    """What `train.lr` and `train.weight_decay` are multiplied by for one parameter.

    A layer says it of its own parameters by their names: `self.paces = {"bias": Pace(decay=0.0)}`. Under decoupled weight decay
    (adamw) a step takes the share lr · decay of both products from a parameter, so a slow one decays slowly too.
    """

    lr: float = 1.0
    decay: float = 1.0


def paces(model: nn.Module) -> list[Pace]:
    """Those of a model's parameters, in the order of `model.parameters()`."""
    of = {id(p): pace for p, pace in _said(model)}
    return [of.get(id(p), Pace()) for p in model.parameters()]


def _said(model: nn.Module) -> Iterator[tuple[nn.Parameter, Pace]]:
    for layer in model.modules():
        said = getattr(layer, "paces", {})
        if isinstance(said, dict):
            own = layer.named_parameters(recurse=False)
            yield from ((p, said[name]) for name, p in own if isinstance(said.get(name), Pace))
