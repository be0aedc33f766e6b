"""Whether a run of more epochs begins just as a shorter one did, so that it can go on where that ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dropbench.dropout import schedule
from dropbench.engine.lr_schedule import decay_factor, lr_factor, momentum_at
from dropbench.planning.regularizers import in_order
from dropbench.spec import Component, RunSpec

_POINTS = 50
"""An epoch, at which schedules are compared."""
_LAST = 30
"""Points before the end, each half as far from it as the one before."""

Course = Callable[[float], float]
"""A number that is in force so many epochs (fractional) into training."""


def with_epochs(run: RunSpec, epochs: int) -> RunSpec:
    """The same run with another `train.epochs`."""
    return run.model_copy(update={"train": run.train.model_copy(update={"epochs": epochs})})


def of_any_length(run: RunSpec) -> RunSpec:
    """What runs that differ in `train.epochs` alone have in common: the same run of one epoch. Its id stands for all."""
    return with_epochs(run, 1)


def differs(short: RunSpec, longer: RunSpec) -> str | None:
    """What would have been different before the shorter run ended, had it been the longer one; None where nothing would.

    Schedules are compared by their values, so one that does not depend on the number of epochs passes whatever its name.

    Parameters
    ----------
    short, longer : RunSpec
        Two runs that differ in `train.epochs` alone.

    Returns
    -------
    str or None
        The end of a sentence: "train.schedule=cosine is stretched over all epochs".
    """
    if longer.train.updates is not None:
        return "train.updates counts updates, and a run has as many epochs as they take"
    end = short.train.epochs
    before = [point / _POINTS for point in range(end * _POINTS)]
    before += [end - 2.0**-k for k in range(_LAST)]  # a rate may change with the last of very many updates
    for (what, one), (_, other) in zip(_courses(short), _courses(longer), strict=True):
        if any(one(at) != other(at) for at in before):
            return f"{what} is stretched over all epochs"
    for regularizer, part in in_order(longer.regularizers):
        if part.slot in ("weights", "average") and part.by_share:
            return f"regularizer={regularizer.name} acts by the share of training that is done"
    return None


def _courses(run: RunSpec) -> Iterator[tuple[str, Course]]:
    """All that changes in the course of a run by a schedule, each with the words that chose it."""
    train, whole = run.train, float(run.train.epochs)
    yield f"train.schedule={train.schedule}", lambda at: lr_factor(train, at, whole)
    yield f"train.decay_schedule={train.decay_schedule}", lambda at: decay_factor(train, at, whole)
    yield f"train.momentum_start={train.momentum_start}", lambda at: momentum_at(train, at, whole)
    for variant in run.variants:
        yield f"dropout/schedule={variant.schedule.name}", _over(variant.schedule, whole)
    for regularizer in run.regularizers:
        yield f"the schedule {regularizer.schedule.name} of {regularizer.name}", _over(regularizer.schedule, whole)


def _over(part: Component, whole: float) -> Course:
    factor = schedule.resolve(part.target, part.options)
    return lambda at: factor(at / whole)
