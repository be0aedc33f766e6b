"""Models as the engine builds them, on three small data sets, and a noise that records what arrives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from hydra.utils import get_class
from torch import Tensor, nn

from dropbench.data import views
from dropbench.data.base import Table
from dropbench.engine import stack
from dropbench.nn.linear import affine
from dropbench.outline import outline
from dropbench.spec import Component

CPU = torch.device("cpu")
CLASSES = 3


def table(axes: str, *shape: int) -> Table:
    y = torch.arange(60) % CLASSES
    return Table(axes, torch.rand(60, *shape, generator=torch.Generator().manual_seed(0)), y, axes, CLASSES)


TABLES = (table("CHW", 2, 8, 6), table("TF", 5, 4), table("F", 7))
TARGETS = {"mlp": "dropbench.models.mlp.MLP", "cnn": "dropbench.models.cnn.CNN", "rnn": "dropbench.models.rnn.RNN"}
SMALL: dict[str, dict[str, Any]] = {
    "mlp": {"widths": [6, 5]},
    "cnn": {"channels": [4, 3], "head_widths": [5]},
    "rnn": {"hidden": 5, "layers": 2},
}


def table_for(model: type[nn.Module]) -> Table:
    """The first that the model eats."""
    eats: Sequence[str] = model.eats  # type: ignore[assignment]
    return next(t for t in TABLES if set(eats) & set(views.views(t.axes)))


def built(name: str, seeds: Sequence[int] = (0,), data: Table | None = None, **options: Any) -> nn.Module:
    """A small model of this name with some options changed."""
    data = data or table_for(model_class(name))
    spec = Component(name=name, target=TARGETS[name], options=SMALL[name] | options)
    return stack.build(spec, outline(spec, data), seeds, CPU)


def model_class(name: str) -> type[nn.Module]:
    found: type[nn.Module] = get_class(TARGETS[name])
    return found


def batch(name: str, replicas: int = 1, size: int = 4) -> Tensor:
    """Random examples in the model's view."""
    data = table_for(model_class(name))
    view = next(v for v in model_class(name).eats if v in views.views(data.axes))  # type: ignore[attr-defined]
    shape, _ = views.view_shape(data.shape, data.axes, view)
    return torch.randn(replicas, size, *shape, generator=torch.Generator().manual_seed(2))


class Recorder:
    """`sites.Noise` that changes nothing and keeps what came to each site, in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Tensor]] = []
        self.steps_of: dict[str, list[Tensor]] = {}

    def __call__(self, site: str, x: Tensor) -> Tensor:
        self.seen.append((site, x))
        return x

    def affine(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        self.seen.append((site, weight))
        return then(affine(x, weight, bias))

    def steps(self, site: str) -> Callable[[Tensor, int], Tensor] | None:
        states = self.steps_of[site] = []
        self.seen.append((site, torch.empty(0)))

        def act(state: Tensor, step: int) -> Tensor:
            assert step == len(states)
            states.append(state)
            return state

        return act
