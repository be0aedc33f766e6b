"""Schedules of the rate: which share of its nominal value applies at each point of training.

A schedule is a pure function of `progress`, the fraction of all epochs that has passed (0 at the start, 1 at the end,
fractional within an epoch), and of keyword-only options. It returns a factor in [0, 1], by which the nominal rate is
multiplied. It does not depend on the variant, so every schedule works with every variant. Its options are the keys of its
YAML.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen

from dropbench.errors import UsageError

Share = Annotated[float, Gt(0), Le(1)]
"""A fraction of training."""
Inside = Annotated[float, Gt(0), Lt(1)]
"""A point within training."""
Factor = Annotated[float, Ge(0), Le(1)]

_ROUNDING = 1e-9


def resolve(target: str, options: Mapping[str, Any]) -> Callable[[float], float]:
    """Returns the schedule that `target` names, with its options, as a function of progress that checks its result.

    A factor that exceeds [0, 1] only by rounding is clipped. The function raises UsageError for any other factor outside [0,
    1], which only a user's own schedule can return.
    """
    from hydra.utils import get_object

    function = get_object(target)

    def checked(progress: float) -> float:
        factor = float(function(progress, **options))
        if not -_ROUNDING <= factor <= 1 + _ROUNDING:  # nor is NaN
            raise UsageError(
                f"dropout/schedule: {target} returns {factor:g} at progress {progress:g}; it must return 0 to 1"
            )
        return min(1.0, max(0.0, factor))

    return checked


def constant(progress: float) -> float:
    """Returns 1: the nominal rate throughout."""
    return 1.0


def linear_up(progress: float, *, over: Share = 1.0) -> float:
    """min(1, p / over): from 0 to the nominal rate over the first `over` of training, then constant."""
    return min(1.0, progress / over)


def linear_down(progress: float) -> float:
    """1 - p: from the nominal rate to 0 at the end. To reach 0 earlier, use `early` with shape="linear"."""
    return 1.0 - progress


def cosine(progress: float, *, rising: bool = False) -> float:
    """(1 + cos(πp)) / 2, half a cosine from the nominal rate to 0; rising: (1 - cos(πp)) / 2, from 0 to the nominal rate.

    It falls by default, as the learning-rate schedule of that name does (Loshchilov & Hutter 2017, arXiv:1608.03983).
    """
    return (1.0 + (-1.0 if rising else 1.0) * math.cos(math.pi * progress)) / 2.0


def flat_cos(progress: float, *, flat: Annotated[float, Ge(0), Lt(1)] = 0.5) -> float:
    """1 up to p = flat, then (1 + cos(π (p - flat) / (1 - flat))) / 2: constant, then half a cosine down to 0.

    RealMLP uses it with flat = 1/2 for dropout and weight decay (Holzmüller et al. 2024, arXiv:2407.04491).
    """
    return 1.0 if progress < flat else cosine((progress - flat) / (1.0 - flat))


def cyclical(progress: float, *, cycles: Annotated[int, Gt(0)] = 4) -> float:
    """1 - |2 (cycles · p mod 1) - 1|: a triangle wave, from 0 up to the nominal rate and back, `cycles` times.

    The triangular policy that Smith (2017, arXiv:1506.01186) has for learning rates.
    """
    return 1.0 - abs(2.0 * (cycles * progress % 1.0) - 1.0)


def step(
    progress: float,
    *,
    at: Annotated[tuple[Inside, ...], MinLen(1)] = (0.5,),
    factors: Annotated[tuple[Factor, ...], MinLen(2)] = (0.5, 1.0),
) -> float:
    """Piecewise constant: factors[i] holds for at[i - 1] <= p < at[i].

    Raises UsageError if the boundaries do not ascend, or if there is not exactly one factor more than boundaries.
    """
    if any(a >= b for a, b in pairwise(at)):
        raise UsageError(f"dropout.schedule.at={list(at)}: the boundaries must be in ascending order")
    if len(factors) != len(at) + 1:
        raise UsageError(
            f"dropout.schedule.factors={list(factors)}: there must be {len(at) + 1} factors, one more than the "
            f"{len(at)} boundaries of dropout.schedule.at={list(at)}"
        )
    return factors[bisect_right(at, progress)]


def early(progress: float, *, until: Share = 0.2, shape: Literal["constant", "linear"] = "constant") -> float:
    """1 for p < until, then 0; with shape "linear": max(0, 1 - p / until).

    Early dropout, against underfitting (Liu et al. 2023, arXiv:2303.01500). The authors' published recipe has shape linear
    and 50 of 300 epochs (until = 1/6), or 50 of 600.
    """
    if shape == "linear":
        return max(0.0, 1.0 - progress / until)
    return 1.0 if progress < until else 0.0


def late(progress: float, *, start: Annotated[float, Ge(0), Lt(1)] = 0.2) -> float:
    """0 for p < start, then 1.

    Late dropout, against overfitting (Liu et al. 2023, arXiv:2303.01500), whose authors start at epoch 50 of 300.
    """
    return 1.0 if progress >= start else 0.0


def curriculum(progress: float, *, gamma: Annotated[float, Gt(0)] = 10.0) -> float:
    """1 - exp(-γp): rises fast at first and approaches the nominal rate without ever reaching it.

    Curriculum dropout (Morerio et al. 2017, arXiv:1703.06229, equation 2): keep(t) = (1 - θ) exp(-γ't) + θ with θ the final
    keep probability, that is rate(t) = rate · (1 - exp(-γ't)). The paper takes γ' = 10/T for T updates, which is γ = 10 as a
    function of progress.
    """
    return -math.expm1(-gamma * progress)
