"""Why an arm cannot be trained, and what to know of it before it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dropbench.config.parts import locate
from dropbench.data import augment, text
from dropbench.data.split import split
from dropbench.errors import UsageError
from dropbench.planning.outline import Outline
from dropbench.planning.sources import others
from dropbench.planning.variants import arm_rates, variant
from dropbench.sites import Site
from dropbench.spec import CONSTANT, DataSpec, DropoutSpec, RunSpec, Settings
from dropbench.values import written

if TYPE_CHECKING:
    from dropbench.data.base import Table


def warnings(dropout: DropoutSpec, sites: tuple[Site, ...]) -> list[str]:
    """What to know of this arm before it trains, from the sites where there will be noise."""
    acting, rates = variant(dropout), arm_rates(dropout, sites)
    return [warning for s in sites if rates.get(s.name) and (warning := acting.warns(s))]


def check(spec: RunSpec, table: Table, outline: Outline) -> str | None:
    """Why this arm cannot be, or None.

    Too few examples, too small a batch, augmentation of no image, predictions that cannot be averaged, a variant without a
    site, a pattern that fits none.
    """
    try:
        augment.check(spec.train.augment, table.name, table.axes)
        if outline.view == "text":
            text.check(table, spec.data, spec.train.batch_size)
        else:
            _splits(spec.data, table)
        acting = arm_rates(spec.dropout, outline.sites)
    except UsageError as error:
        return str(error)
    if outline.batch_norm and spec.train.batch_size < 3:
        # Three, for the last batch of an odd number of examples is one short.
        return f"train.batch_size={spec.train.batch_size} is too small for batch norm; it must be at least 3"
    if spec.eval.mode != "deterministic" and outline.task != "classify":
        return (
            f"eval.mode={spec.eval.mode} averages a classifier's predictions, and model={spec.model.name} is none; "
            "leave it at eval.mode=deterministic"
        )
    return None if acting else _no_site(spec, outline.sites)


def no_schedule(spec: RunSpec) -> str | None:
    """Why this arm cannot have its schedule of the rate, or None."""
    name = spec.dropout.schedule.name
    if name == CONSTANT.name or not getattr(locate(spec.dropout.target), "learned", False):
        return None
    return (
        f"dropout={spec.dropout.name} learns its rate, so dropout/schedule={name} has nothing to set; "
        "leave the schedule out, or choose a variant whose rate is given"
    )


def no_others(spec: RunSpec, table: Table, settings: Settings) -> str | None:
    """Why this arm cannot be set against the data that its metrics name, or None."""
    try:
        others(spec, table, settings)
    except UsageError as error:
        return str(error)
    return None


def _no_site(spec: RunSpec, sites: tuple[Site, ...]) -> str | None:
    """Why the variant acts on none of these sites, or None where it acts nowhere by intent: the baseline."""
    idle = variant(spec.dropout)
    if not idle.kinds:
        return None
    if possible := [s.name for s in sites if idle.supports(s) is None]:
        return (
            f"dropout.placement={written(spec.dropout.placement)} leaves dropout={spec.dropout.name} no site in "
            f"model={spec.model.name}; give it at least one of {', '.join(possible)}"
        )
    near = [reason for s in sites if s.kind in idle.kinds and (reason := idle.supports(s))]
    why = near[-1] if near else f"acts on {' and '.join(sorted(idle.kinds))} sites, and it has none"
    return f"dropout={spec.dropout.name} has no site in model={spec.model.name}: it {why}"


def _splits(data: DataSpec, table: Table) -> None:
    """Raises UsageError where the examples do not suffice; how many there are of each class is the same for every seed."""
    split(
        table,
        n_train=data.n_train,
        val_fraction=data.val_fraction,
        test_fraction=data.test_fraction,
        label_noise=data.label_noise,
        split_draws=_zeros,
        noise_draws=_zeros,
    )


def _zeros(n: int) -> NDArray[np.uint64]:
    return np.zeros(n, dtype=np.uint64)
