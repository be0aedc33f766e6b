"""What a spec would build: the model on no device, and its sites; a user's model is tried too.

Planning uses it to say before anything trains what cannot work; the engine uses it to build.
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
    """A model on a data set: how it sees an example, where noise may act, and its parameters, of one replica."""

    view: str
    shape: Shape
    n_classes: int
    """Outputs of an example: logits, or of a number one, and two where its variance is predicted beside it."""
    sites: tuple[Site, ...]
    parameters: int
    stacked: bool
    """Whether the class carries a replica axis itself."""
    batch_norm: bool
    own_noise: tuple[str, ...] = ()
    """The parts of a user's module that draw random numbers of its own, which are noise in every arm: see `trial`."""
    task: str = "classify"
    """What is learnt: "classify" (a class), "regress" (a number), "reconstruct" (the input), "predict_next" (the next word)."""
    held: int = 0
    """Numbers that an example becomes on its way beside those at sites, as where numbers are embedded."""
    even: bool = True
    """Whether all seeds have as many examples in each part, so that they can be stacked."""
    seed_bytes: int = 0
    """Of the inputs that each seed has for itself: those of a table, all rows of it, fitted to the seed's training rows."""
    parts: tuple[str, ...] = ()
    """Of a network that was taken as it is, the names of its parts, behind which there could be sites."""
    idle: tuple[str, ...] = ()
    """Of such a network, the dropouts that no site stands for, since they are never called."""

    weights: tuple[str, ...] = ()
    """The names of the model's parameters."""

    @property
    def usual(self) -> tuple[Site, ...]:
        """The sites but for those at which there is noise only where it is asked for by name."""
        return tuple(s for s in self.sites if not s.asked)

    @property
    def units(self) -> dict[str, int]:
        """The sites of what a hidden layer makes, not of what it is given; and the axis of their units, from the end."""
        kinds, given = ("activation", "feedforward"), ("input", "embedded")
        hidden = [s for s in self.usual if s.kind in kinds and s.name not in given]
        return {s.name: i - len(s.axes) for s in hidden for i, axis in enumerate(s.axes) if axis in "FC"}

    def noise_batch(self, batch_size: int) -> int:
        """For how many examples noise is drawn: a graph is one, however many of its nodes are asked for."""
        return 1 if self.view == "graph" else batch_size


class NoView(UsageError):
    """The model does not take this kind of data."""


def outline(model: Component, table: Table, variance: bool = False) -> Outline:
    """What the model is on this data. variance: whether, where it predicts a number, it gives that one's variance as well.

    Raises NoView where the model does not take this kind of data, UsageError where it cannot be built or trained.
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
                "model=module is a network of yours: name its class, or a function that makes it, by model.target=mypkg.net:Net"
            )
        view = _tried_view(model, cls, table, view if chosen != "auto" else None, variance)
    shape = views.view_shape(table, view)
    stacked = bool(getattr(cls, "stacked", False))
    task, outputs = _task(cls, table, variance)
    construct = constructor(model, shape, outputs)

    def built() -> Outline:
        try:
            with seeded(0), torch.device("meta"):  # a constructor may draw, and not by torch alone
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
            batch_norm=any("BatchNorm" in type(m).__name__ for m in one.modules()),  # ours and torch's
            task=task,
            held=int(getattr(one, "held", 0)) if stacked else 0,
            even=table.groups is None,
            seed_bytes=0 if table.prepared is None else table.x.nbytes,
            parts=tuple(getattr(one, "parts", ())) if model.target == HOST else (),
            idle=tuple(getattr(one, "idle", ())) if model.target == HOST else (),
            weights=tuple(name for name, _ in one.named_parameters()),
        )

    found = apart(model.code, f"model={model.name}", built)
    if model.code.startswith(OWN) or (cls.__module__.startswith(OWN) and model.target != HOST):
        return found
    from dropbench.planning.trial import tried

    try:
        drawing = apart(model.code, f"model={model.name}", lambda: tried(model.name, construct, shape, table, stacked))
    except PartHangs:
        raise
    except PartFailed:  # its training tells of that, and other runs are trained meanwhile
        return found
    return replace(found, own_noise=drawing)


def _task(cls: Any, table: Table, variance: bool) -> tuple[str, int]:
    """What a model learns of this data, and how many outputs it has. Where it says nothing, the data say it."""
    task = getattr(cls, "task", "classify")
    if task == "classify":
        task = table.task
    return task, 2 if task == "regress" and variance else table.n_classes


def _tried_view(model: Component, cls: Any, table: Table, chosen: str | None, variance: bool) -> str:
    """The view in which a user's network takes this data: it does not say, so it is tried."""
    task, outputs = _task(cls, table, variance)
    possible = [v for v in cls.eats if v in views.views(table.axes) and chosen in (None, v)]
    shapes = [views.view_shape(table, view) for view in possible]
    return apart(model.code, f"model={model.name}", lambda: str(cls.view_of(shapes, outputs, task, **model.options)))


def constructor(model: Component, shape: Shape, n_classes: int) -> Callable[[], nn.Module]:
    """What makes a model, of one replica where its class carries an axis for them."""
    cls = locate(model.target)
    lead = (1,) if getattr(cls, "stacked", False) else ()
    return lambda: cls(*lead, shape, n_classes, **model.options)


def takes(model: Any, table: Table) -> bool:
    """Whether a model's class can be given this data."""
    return any(view in views.views(table.axes) for view in model.eats)
