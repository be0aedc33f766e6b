"""What a spec would build, found without building it: data in memory, the model on no device, the sites and rates.

Planning uses it to say before anything trains what cannot work; the engine uses it to build.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hydra.utils import get_object
from numpy.typing import NDArray

from dropbench import data as data_sets
from dropbench.data import augment, text, views
from dropbench.data.split import split
from dropbench.data.views import Shape
from dropbench.errors import UsageError, nearest
from dropbench.sites import Site
from dropbench.sites.placement import site_rates
from dropbench.spec import Component, DataSpec, DropoutSpec, RunSpec, Settings
from dropbench.values import written

if TYPE_CHECKING:
    from torch import Tensor

    from dropbench.data.base import Table
    from dropbench.dropout.base import Variant


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

    def noise_batch(self, batch_size: int) -> int:
        """For how many examples noise is drawn: a graph is one, however many of its nodes are asked for."""
        return 1 if self.view == "graph" else batch_size


class NoView(UsageError):
    """The model does not take this kind of data."""


def load(data: DataSpec, settings: Settings) -> Table:
    """The data set of a spec, read once a process."""
    root = settings.data_root or Path("data")
    return _load(data.target, tuple(sorted(data.options.items())), root, settings.data_download)


NOISE = "noise"
"""What a metric's option `against` may name beside data sets."""


def others(spec: RunSpec, table: Table, settings: Settings) -> dict[str, Tensor]:
    """The examples of other data that metrics set a run's own against, by the names in their options `against`.

    [n, *table.shape] each, raw. Raises UsageError where there is no such data or it does not fit.
    """
    from dropbench.data.foreign import fitted

    found = {}
    for key, metric in spec.metric.items():
        for name in metric.options.get("against", ()):
            if name == NOISE:
                continue
            if name not in (known := _data_sets()):
                raise UsageError(
                    f"metric.{key}.against={name}: there is no such data; {nearest(name, [NOISE, *known])}"
                )
            root = settings.data_root or Path("data")
            try:
                other = _load(f"dropbench.data.{name}.load", (), root, settings.data_download)
                found[name] = fitted(other, table)
            except UsageError as error:
                raise UsageError(f"metric.{key}.against={name}: {error}") from error
    return found


@cache
def _data_sets() -> list[str]:
    """The names of our own: of the modules that have a `load`."""
    names = [m.name for m in pkgutil.iter_modules(data_sets.__path__) if not m.name.startswith("_")]
    return [n for n in names if hasattr(importlib.import_module(f"dropbench.data.{n}"), "load")]


@cache
def _load(target: str, options: tuple[tuple[str, Any], ...], root: Path, download: bool) -> Table:
    table: Table = get_object(target)(root, download, **dict(options))
    return table


def variant(dropout: DropoutSpec) -> Variant:
    """Raises UsageError for a class of the user's own that says it acts where it lacks the methods for it."""
    from dropbench.dropout.base import AtTransitions, AtWeights

    made: Variant = get_object(dropout.target)(**dropout.options)
    for kind, needed in {"weight": AtWeights, "transition": AtTransitions}.items():
        if kind in made.kinds and not isinstance(made, needed):
            raise UsageError(
                f"dropout={dropout.name}: its class acts on {kind} sites, so it must be a subclass of "
                f"dropbench.dropout.base.{needed.__name__}"
            )
    return made


def outline(model: Component, table: Table) -> Outline:
    """Raises NoView where the model does not take this kind of data, UsageError where it cannot be built."""
    import torch

    cls = get_object(model.target)
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
    except (TypeError, ValueError, RuntimeError) as error:
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


def arm_rates(dropout: DropoutSpec, sites: tuple[Site, ...]) -> dict[str, float]:
    """The rate of every site on which this arm's variant acts."""
    return site_rates(variant(dropout), sites, dropout.rate, dropout.rates, dropout.placement)


def warnings(dropout: DropoutSpec, sites: tuple[Site, ...]) -> list[str]:
    """What to know of this arm before it trains, from the sites where there will be noise."""
    made, rates = variant(dropout), arm_rates(dropout, sites)
    return [warning for s in sites if rates.get(s.name) and (warning := made.warns(s))]


def check(spec: RunSpec, table: Table, found: Outline) -> str | None:
    """Why this arm cannot be, or None.

    Too few examples, too small a batch, augmentation of no image, predictions that cannot be averaged, a variant without a
    site, a pattern that fits none.
    """
    try:
        augment.check(spec.train.augment, table.name, table.axes)
        if found.view == "text":
            text.check(table, spec.data, spec.train.batch_size)
        else:
            _splits(spec.data, table)
        acting = arm_rates(spec.dropout, found.sites)
    except UsageError as error:
        return str(error)
    if found.batch_norm and spec.train.batch_size < 3:
        # Three, for the last batch of an odd number of examples is one short.
        return f"train.batch_size={spec.train.batch_size} is too small for batch norm; it must be at least 3"
    if spec.eval.mode != "deterministic" and found.task != "classify":
        return (
            f"eval.mode={spec.eval.mode} averages a classifier's predictions, and model={spec.model.name} is none; "
            "leave it at eval.mode=deterministic"
        )
    made = variant(spec.dropout)
    if acting or not made.kinds:  # the baseline acts nowhere by intent
        return None
    possible = [s.name for s in found.sites if made.supports(s) is None]
    if possible:
        return (
            f"dropout.placement={written(spec.dropout.placement)} leaves dropout={spec.dropout.name} no site in "
            f"model={spec.model.name}; give it at least one of {', '.join(possible)}"
        )
    near = [r for s in found.sites if s.kind in made.kinds and (r := made.supports(s))]
    why = near[-1] if near else f"acts on {' and '.join(sorted(made.kinds))} sites, and it has none"
    return f"dropout={spec.dropout.name} has no site in model={spec.model.name}: it {why}"


def _splits(data: DataSpec, table: Table) -> None:
    """Raises UsageError where the examples do not suffice; how many there are of each class is the same for every seed."""
    split(
        table,
        n_train=data.n_train,
        val_fraction=data.val_fraction,
        test_fraction=data.test_fraction,
        label_noise=data.label_noise,
        split_draws=_no_draws,
        noise_draws=_no_draws,
    )


def _no_draws(n: int) -> NDArray[np.uint64]:
    return np.zeros(n, dtype=np.uint64)
