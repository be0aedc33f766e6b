"""What a spec would build, found without building it: the model on no device, and its sites.

Planning uses it to say before anything trains what cannot work; the engine uses it to build.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dropbench.config.parts import locate
from dropbench.data import views
from dropbench.data.views import Shape
from dropbench.errors import UsageError
from dropbench.sites import Site
from dropbench.spec import Component

if TYPE_CHECKING:
    from dropbench.data.base import Table


@dataclass(frozen=True)
class Outline:
    """A model on a data set: how it sees an example, where noise may act, and its parameters, of one replica."""

    view: str
    shape: Shape
    n_classes: int
    sites: tuple[Site, ...]
    parameters: int
    stacked: bool
    """Whether the class carries a replica axis itself."""
    batch_norm: bool
    task: str = "classify"
    """What is learnt: "classify" (the class), "reconstruct" (the input) or "predict_next" (the next word)."""

    @property
    def units(self) -> dict[str, int]:
        """The sites of what a hidden layer makes, not of what it is given; and the axis of their units, from the end."""
        kinds, given = ("activation", "feedforward"), ("input", "embedded")
        hidden = [s for s in self.sites if s.kind in kinds and s.name not in given]
        return {s.name: i - len(s.axes) for s in hidden for i, axis in enumerate(s.axes) if axis in "FC"}

    def noise_batch(self, batch_size: int) -> int:
        """For how many examples noise is drawn: a graph is one, however many of its nodes are asked for."""
        return 1 if self.view == "graph" else batch_size


class NoView(UsageError):
    """The model does not take this kind of data."""


def outline(model: Component, table: Table) -> Outline:
    """Raises NoView where the model does not take this kind of data, UsageError where it cannot be built."""
    import torch

    cls = locate(model.target)
    try:
        view = views.check(model.name, cls.eats, table.name, table.axes)
    except UsageError as error:
        raise NoView(str(error)) from error
    shape = views.view_shape(table, view)
    stacked = bool(getattr(cls, "stacked", False))
    arguments = (1, shape, table.n_classes) if stacked else (shape, table.n_classes)
    try:
        with torch.device("meta"):
            one = cls(*arguments, **model.options)
    except (TypeError, ValueError, RuntimeError, ArithmeticError, MemoryError) as error:
        told = " ".join(str(error).split())
        raise UsageError(f"model={model.name} cannot be built with {model.options or 'no options'}: {told}") from error
    parameters = sum(p.numel() for p in one.parameters())
    normed = any("BatchNorm" in type(m).__name__ for m in one.modules())  # ours and torch's
    return Outline(
        view=view,
        shape=shape,
        n_classes=table.n_classes,
        sites=tuple(getattr(one, "sites", ())),
        parameters=parameters,
        stacked=stacked,
        batch_norm=normed,
        task=getattr(cls, "task", "classify"),
    )


def takes(model: Any, table: Table) -> bool:
    """Whether a model's class can be given this data."""
    return any(view in views.views(table.axes) for view in model.eats)
