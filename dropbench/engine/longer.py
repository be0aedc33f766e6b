"""Tells whether a longer run begins exactly like a shorter one, so that it can continue where the shorter one ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dropbench.dropout import schedule
from dropbench.engine.lr_schedule import decay_factor, lr_factor, momentum_at
from dropbench.planning.regularizers import in_order
from dropbench.spec import Component, RunSpec

_POINTS = 50
"""Points per epoch at which schedules are compared."""
_LAST = 30
"""Further points of comparison before the end, each half as far from it as the one before."""

Course = Callable[[float], float]
"""A function from the time in training, in epochs (fractional), to the value of a schedule."""


def with_epochs(run: RunSpec, epochs: int) -> RunSpec:
    """Returns the same run with another `train.epochs`."""
    return run.model_copy(update={"train": run.train.model_copy(update={"epochs": epochs})})


def of_any_length(run: RunSpec) -> RunSpec:
    """Returns the same run with one epoch. Its id identifies all runs that differ in `train.epochs` alone."""
    return with_epochs(run, 1)


def differs(short: RunSpec, longer: RunSpec) -> str | None:
    """Returns why the longer run would not have begun like the shorter one, or None if it would have.

    Schedules are compared by their values up to the end of the shorter run, so any schedule whose values do not depend on the
    number of epochs passes.

    Parameters
    ----------
    short, longer : RunSpec
        Two runs that differ in `train.epochs` alone.

    Returns
    -------
    str or None
        A clause for a message: "train.schedule=cosine is stretched over all epochs".
    """
    if longer.train.updates is not None:
        return "train.updates sets the length of a run in updates, not in epochs"
    end = short.train.epochs
    before = [point / _POINTS for point in range(end * _POINTS)]
    before += [end - 2.0**-k for k in range(_LAST)]  # a schedule may change within the last of very many updates
    for (what, one), (_, other) in zip(_courses(short), _courses(longer), strict=True):
        if any(one(at) != other(at) for at in before):
            return f"{what} is stretched over all epochs"
    for regularizer, part in in_order(longer.regularizers):
        if part.slot in ("weights", "average") and part.by_share:
            return f"regularizer={regularizer.name} depends on the share of training that is done"
    return None


def _courses(run: RunSpec) -> Iterator[tuple[str, Course]]:
    """Yields every value of a run that follows a schedule, each with the setting that chose the schedule."""
    train, whole = run.train, float(run.train.epochs)
    yield f"train.schedule={train.schedule}", lambda at: lr_factor(train, at, whole)
    yield f"train.decay_schedule={train.decay_schedule}", lambda at: decay_factor(train, at, whole)
    yield f"train.momentum_start={train.momentum_start}", lambda at: momentum_at(train, at, whole)
    for variant in run.variants:
        yield f"dropout/schedule={variant.schedule.name}", _over(variant.schedule, whole)
    for regularizer in run.regularizers:
        yield (
            f"the schedule {regularizer.schedule.name} of regularizer={regularizer.name}",
            _over(regularizer.schedule, whole),
        )


def _over(part: Component, whole: float) -> Course:
    factor = schedule.resolve(part.target, part.options)
    return lambda at: factor(at / whole)
