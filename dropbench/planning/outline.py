"""Outlines what a spec builds: the model, on torch's meta device, and its sites. A user's model is also tried out.

Planning uses it to report before training what cannot work; the engine uses it to build the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dropbench.config.parts import locate
from dropbench.data import views
from dropbench.data.views import Shape
from dropbench.errors import UsageError
from dropbench.identity import HOST, OWN
from dropbench.process.apart import PartFailed, PartHangs, apart
from dropbench.process.blame import place
from dropbench.sites import Site
from dropbench.sites.own_draws import seeded
from dropbench.spec import Component

if TYPE_CHECKING:
    from torch import nn

    from dropbench.data.base import Table


@dataclass(frozen=True)
class Outline:
    """A model on a data set: its view of an example, its sites, and the parameters of one replica."""

    view: str
    shape: Shape
    n_classes: int
    """Outputs per example: the logits, or for a predicted number one, or two if its variance is predicted as well."""
    sites: tuple[Site, ...]
    parameters: int
    stacked: bool
    """Whether the class has a replica axis itself."""
    batch_norm: bool
    own_noise: tuple[str, ...] = ()
    """The parts of a user's module that draw random numbers themselves, which is noise in every arm: see `trial`."""
    probabilities: bool = False
    """Whether the outputs of a user's module are probabilities already, which the loss would normalise once more."""
    task: str = "classify"
    """The task: "classify" (a class), "regress" (a number), "reconstruct" (the input) or "predict_next" (the next word)."""
    held: int = 0
    """Number of activations per example that are not at sites, for example where numbers are embedded."""
    even: bool = True
    """Whether each part has the same number of examples under all seeds, so that seeds can be stacked."""
    seed_bytes: int = 0
    """Bytes of the inputs that each seed needs for itself: all rows of a table, fitted to the seed's training rows; else 0."""
    parts: tuple[str, ...] = ()
    """For a user's network that was taken without changes: the names of its parts, after which there could be sites."""
    idle: tuple[str, ...] = ()
    """For such a network: its dropout modules that are never called, so that no site stands for them."""
    single: str | None = None
    """For such a network: the name of an output that is a single number, which training does not use."""
    heads: tuple[str, ...] = ()
    """For such a network: the names of outputs that have the shape of its logits, which training does not use."""
    one_layer: tuple[str, ...] = ()
    """For such a network: its recurrent parts of one layer that were given a dropout, which does nothing in torch."""

    weights: tuple[str, ...] = ()
    """The names of the model's parameters."""

    @property
    def usual(self) -> tuple[Site, ...]:
        """The sites, except those at which noise acts only if they are named."""
        return tuple(s for s in self.sites if not s.asked)

    @property
    def units(self) -> dict[str, int]:
        """The axis of the units, counted from the end, for each site after a hidden layer (not at inputs or embeddings)."""
        kinds, given = ("activation", "feedforward"), ("input", "embedded")
        hidden = [s for s in self.usual if s.kind in kinds and s.name not in given]
        return {s.name: i - len(s.axes) for s in hidden for i, axis in enumerate(s.axes) if axis in "FC"}

    def noise_batch(self, batch_size: int) -> int:
        """Returns for how many examples noise is drawn: a graph counts as one, however many of its nodes are predicted."""
        return 1 if self.view == "graph" else batch_size


class NoView(UsageError):
    """The model does not take this kind of data."""


def outline(model: Component, table: Table, variance: bool = False) -> Outline:
    """Returns the outline of a model on this data. variance: whether a model that predicts a number also predicts its variance.

    Raises NoView if the model does not take this kind of data, UsageError if it cannot be built or trained.
    """
    import torch

    cls = locate(model.target)
    chosen = model.options.get("input", "auto") if model.target == HOST else "auto"
    try:
        view = views.check(model.name, cls.eats if chosen == "auto" else (chosen,), table.name, table.axes)
    except UsageError as error:
        raise NoView(str(error)) from error
    if model.target == HOST:
        if not model.options.get("target"):
            raise UsageError(
                "model=module needs your network: name its class, or a function that creates it: model.target=mypkg.net:Net"
            )
        view = _tried_view(model, cls, table, view if chosen != "auto" else None, variance)
    shape = views.view_shape(table, view)
    stacked = bool(getattr(cls, "stacked", False))
    task, outputs = _task(cls, table, variance)
    construct = constructor(model, shape, outputs)

    def built() -> Outline:
        try:
            with seeded(0), torch.device("meta"):  # a constructor may draw random numbers, also from NumPy or Python
                one = construct()
        except (TypeError, ValueError, RuntimeError, ArithmeticError, MemoryError) as error:
            told = " ".join(str(error).split()) + place(error)
            raise UsageError(
                f"model={model.name} cannot be built with {model.options or 'no options'}: {told}"
            ) from error
        return Outline(
            view=view,
            shape=shape,
            n_classes=outputs,
            sites=tuple(getattr(one, "sites", ())),
            parameters=sum(p.numel() for p in one.parameters()),
            stacked=stacked,
            batch_norm=any("BatchNorm" in type(m).__name__ for m in one.modules()),  # dropbench's layers and torch's
            task=task,
            held=int(getattr(one, "held", 0)) if stacked else 0,
            even=table.groups is None,
            seed_bytes=0 if table.prepared is None else table.x.nbytes,
            parts=tuple(getattr(one, "parts", ())) if model.target == HOST else (),
            idle=tuple(getattr(one, "idle", ())) if model.target == HOST else (),
            single=getattr(one, "single", None) if model.target == HOST else None,
            heads=tuple(getattr(one, "heads", ())) if model.target == HOST else (),
            one_layer=tuple(getattr(one, "one_layer", ())) if model.target == HOST else (),
            weights=tuple(name for name, _ in one.named_parameters()),
        )

    found = apart(model.code, f"model={model.name}", built)
    if model.code.startswith(OWN) or (cls.__module__.startswith(OWN) and model.target != HOST):
        return found
    from dropbench.planning.trial import tried

    try:
        told = apart(model.code, f"model={model.name}", lambda: tried(model.name, construct, shape, table, stacked))
    except PartHangs:
        raise
    except PartFailed:  # its training will report the error, and other runs are trained anyway
        return found
    return replace(found, own_noise=told.draws, probabilities=told.probabilities)


def _task(cls: Any, table: Table, variance: bool) -> tuple[str, int]:
    """Returns a model's task on this data, and its number of outputs. If the model states no task, the data decides."""
    task = getattr(cls, "task", "classify")
    if task == "classify":
        task = table.task
    return task, 2 if task == "regress" and variance else table.n_classes


def _tried_view(model: Component, cls: Any, table: Table, chosen: str | None, variance: bool) -> str:
    """Returns the view in which a user's network takes this data. Networks do not declare it, so all views are tried."""
    task, outputs = _task(cls, table, variance)
    possible = [v for v in cls.eats if v in views.views(table.axes) and chosen in (None, v)]
    shapes = [views.view_shape(table, view) for view in possible]
    return apart(model.code, f"model={model.name}", lambda: str(cls.view_of(shapes, outputs, task, **model.options)))


def constructor(model: Component, shape: Shape, n_classes: int) -> Callable[[], nn.Module]:
    """Returns a function that builds the model, with one replica if its class has a replica axis."""
    cls = locate(model.target)
    lead = (1,) if getattr(cls, "stacked", False) else ()
    return lambda: cls(*lead, shape, n_classes, **model.options)


def takes(model: Any, table: Table) -> bool:
    """Returns whether a model's class can take this data."""
    return any(view in views.views(table.axes) for view in model.eats)
