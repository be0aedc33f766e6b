"""Error rate and power of verdicts, by simulation. Prints tables of docs/statistics.md.

    python -m benchmarks.verdicts [--studies 1000]

Differences of arms from one baseline have an sd of 1, or, with unequal spreads, sds from .37 to 2.7, evenly spaced on a log
scale. Half of the variance is shared, because all arms have the same baseline. A seed that collapses loses eight sd. Half of
the arms have an effect: three of their own sd with six seeds, and two with more. The error is how often any of the other arms
is called better or worse; the coverage is how often all intervals hold at once.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dropbench.report.statistics import family
from dropbench.report.statistics.family import Column, judge
from dropbench.report.statistics.interval import bootstrap_t, student_t

Floats = NDArray[np.float64]

Shapes = dict[str, Callable[[Any, tuple[int, ...]], Floats]]

SHAPES: Shapes = {
    "normal": lambda rng, size: rng.normal(size=size),
    "in steps of half an sd": lambda rng, size: np.round(2 * rng.normal(size=size)) / 2,
    "t, 3 degrees of freedom": lambda rng, size: rng.standard_t(3, size=size) / math.sqrt(3),
    "exponential": lambda rng, size: rng.exponential(size=size) - 1,
    "one seed in ten collapses": lambda rng, size: rng.normal(size=size) - 8.0 * (rng.random(size) < 0.1) + 0.8,
}
SIZES = ((6, 2), (6, 8), (6, 60), (10, 2), (10, 8), (10, 60), (30, 8))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--shape", choices=SHAPES, help="this one alone")
    parser.add_argument("--floor", type=float, help="what takes the place of a quarter of the median spread")
    typed = parser.parse_args()
    if typed.floor is not None:
        family.FLOOR = typed.floor
    shapes = {name: draw for name, draw in SHAPES.items() if typed.shape in (None, name)}
    _of_one_arm(shapes, typed.studies)
    _of_many(shapes, typed.studies)


def _of_one_arm(shapes: Shapes, studies: int) -> None:
    """Print the coverage of intervals for one arm, by method."""
    print("| differences | n | sign flips | bootstrap-t | Student's t |\n| --- | ---: | ---: | ---: | ---: |")
    for shape, draw in shapes.items():
        for n in (6, 10, 30):
            rng = np.random.default_rng([n, len(shape)])
            drawn = draw(rng, (n, studies))
            flips = [judge([Column(np.arange(n), column)], n, 0.05)[0] for column in drawn.T]
            low, high = bootstrap_t(drawn)
            held = np.isfinite(low) & np.isfinite(high)
            t_low, t_high = student_t(drawn)
            low, high = np.where(held, low, t_low), np.where(held, high, t_high)
            shares = [
                np.mean([j.low <= 0 <= j.high for j in flips]),
                np.mean((low <= 0) & (high >= 0)),
                np.mean((t_low <= 0) & (t_high >= 0)),
            ]
            print(f"| {shape} | {n} | {' | '.join(f'{s:.3f}'.removeprefix('0') for s in shares)} |", flush=True)


def _of_many(shapes: Shapes, studies: int) -> None:
    """Print error, coverage and power for arms tested together, beside Holm's correction of exact sign-flip p values."""
    print(
        "\n| differences | spreads | n | arms | error, no effects | error beside effects | coverage | power | power by Holm |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for shape, draw in shapes.items():
        for equal in (True, False):
            for n, arms in SIZES:
                runs = max(50, studies * 8 // (8 + arms))
                cells = _cells(draw, np.random.default_rng([n, arms, len(shape)]), n, arms, runs, equal)
                spreads = "equal" if equal else "unequal"
                print(f"| {shape} | {spreads} | {n} | {arms} | {' | '.join(cells)} |", flush=True)


def _cells(draw: Callable[..., Floats], rng: Any, n: int, arms: int, studies: int, equal: bool) -> list[str]:
    spreads = np.ones(arms) if equal else np.exp(np.linspace(-1, 1, arms))
    real = np.arange(arms) % 2 == 0
    effects = np.where(real, (3.0 if n < 8 else 2.0) * spreads, 0.0)
    counts = np.zeros(5)
    for _ in range(studies):
        noise = (draw(rng, (n, 1)) + draw(rng, (n, arms))) * spreads / math.sqrt(2)
        none = [judged_out(j, 0.0) for j in _judged(noise)]
        found = _judged(noise + effects)
        out = np.array([judged_out(j, 0.0) for j in found])
        missed = any(judged_out(j, effect) for j, effect in zip(found, effects, strict=True))
        counts += [any(none), out[~real].any(), not missed, out[real].mean(), _holm([j.p for j in found])[real].mean()]
    return [f"{share:.3f}".removeprefix("0") if share < 1 else "1" for share in counts / studies]


def _judged(values: Floats) -> list[Any]:
    return judge([Column(np.arange(len(values)), column) for column in values.T], len(values), 0.05)


def judged_out(joint: Any, value: float) -> bool:
    """Return whether the simultaneous interval excludes the value."""
    return not joint.low <= value <= joint.high


def _holm(p: list[float]) -> NDArray[np.bool_]:
    """Return which p values are at most .05 after Holm's correction (1979)."""
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1))
    below = np.zeros(len(p), bool)
    below[order] = adjusted <= 0.05
    return below


if __name__ == "__main__":
    main()
