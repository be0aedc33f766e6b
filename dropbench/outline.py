"""What a spec would build, found without building it: data in memory, the model on no device, the sites and rates.

Planning uses it to say before anything trains what cannot work; the engine uses it to build.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hydra.utils import get_object
from numpy.typing import NDArray

from dropbench.data import augment, views
from dropbench.data.split import split
from dropbench.errors import UsageError
from dropbench.sites import Site, site_rates
from dropbench.spec import Component, DataSpec, DropoutSpec, RunSpec, Settings

if TYPE_CHECKING:
    from dropbench.data.base import Table
    from dropbench.dropout.base import Variant


@dataclass(frozen=True)
class Outline:
    """A model on a data set: how it sees an example, where noise may act, and its parameters, of one replica."""

    view: str
    shape: tuple[int, ...]
    n_classes: int
    sites: tuple[Site, ...]
    parameters: int
    stacked: bool
    """Whether the class carries a replica axis itself."""


def load(data: DataSpec, settings: Settings) -> Table:
    """The data set of a spec, read once a process."""
    root = settings.data_root or Path("data")
    return _load(data.target, tuple(sorted(data.options.items())), root, settings.data_download)


@cache
def _load(target: str, options: tuple[tuple[str, Any], ...], root: Path, download: bool) -> Table:
    table: Table = get_object(target)(root, download, **dict(options))
    return table


def variant(dropout: DropoutSpec) -> Variant:
    made: Variant = get_object(dropout.target)(**dropout.options)
    return made


def outline(model: Component, table: Table) -> Outline:
    """Raises UsageError where the model does not take this kind of data."""
    import torch

    cls = get_object(model.target)
    view = views.check(model.name, cls.eats, table.name, table.axes)
    shape, _ = views.view_shape(table.shape, table.axes, view)
    stacked = bool(getattr(cls, "stacked", False))
    arguments = (1, shape, table.n_classes) if stacked else (shape, table.n_classes)
    with torch.device("meta"):
        one = cls(*arguments, **model.options)
    parameters = sum(p.numel() for p in one.parameters())
    return Outline(view, shape, table.n_classes, tuple(getattr(one, "sites", ())), parameters, stacked)


def arm_rates(dropout: DropoutSpec, sites: tuple[Site, ...]) -> dict[str, float]:
    """The rate of every site on which this arm's variant acts."""
    return site_rates(variant(dropout), sites, dropout.rate, dropout.rates, dropout.placement)


def check(spec: RunSpec, table: Table, found: Outline) -> str | None:
    """Why this arm cannot be, or None: too few examples, a variant without a site, a pattern that fits none, no image."""
    try:
        _splits(spec.data, table)
        augment.check(spec.train.augment, table.name, table.axes)
        acting = arm_rates(spec.dropout, found.sites)
    except UsageError as error:
        return str(error)
    # The baseline acts nowhere by intent.
    if acting or not variant(spec.dropout).kinds:
        return None
    kinds = variant(spec.dropout).kinds
    near = [r for s in found.sites if s.kind in kinds and (r := variant(spec.dropout).supports(s))]
    why = near[-1] if near else f"acts on {' and '.join(sorted(kinds))} sites, and it has none"
    if any(variant(spec.dropout).supports(s) is None for s in found.sites):
        why = "could act there, but dropout.placement takes every site away"
    return f"dropout={spec.dropout.name} has no site in model={spec.model.name}: it {why}"


def _splits(data: DataSpec, table: Table) -> None:
    """Raises UsageError where the examples do not suffice; how many there are of each class is the same for every seed."""
    split(
        table,
        n_train=data.n_train,
        val_fraction=data.val_fraction,
        test_fraction=data.test_fraction,
        label_noise=data.label_noise,
        split_words=_no_words,
        noise_words=_no_words,
    )


def _no_words(n: int) -> NDArray[np.uint64]:
    return np.zeros(n, dtype=np.uint64)
