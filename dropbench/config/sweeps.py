"""Expands sweeps to the points of a grid, which are counted before any of them is created."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dropbench.config.paths import PATHS
from dropbench.config.typed import text as as_text
from dropbench.errors import UsageError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override, RangeSweep

MOST_RUNS = 10_000
"""The largest number of runs in a plan, unless a command allows more, because a typing error can ask for a billion."""


def expand(
    overrides: Sequence[Override], options: Callable[[str], list[str]], most: int = MOST_RUNS
) -> list[dict[str, str]]:
    """Returns every point of the grid, as override strings by key, in order: the last sweep varies fastest.

    Parameters
    ----------
    overrides : sequence of Override
        The overrides, as returned by `parse`.
    options : callable
        `options(group)` returns the names from which a glob chooses.
    most : int
        The largest allowed number of points. They are counted before any is created.

    Raises
    ------
    UsageError
        For a sweep without a value, and for more points than `most`.
    """
    counted = [(override.get_key_element(), *_values(override, options)) for override in overrides]
    check_count(math.prod(count for _, count, _ in counted), most)
    axes = [[(key, f"{key}={value}") for value in values] for key, _, values in counted]
    return [dict(point) for point in itertools.product(*axes)]


def check_count(runs: int, most: int) -> None:
    """Raises UsageError for more runs than `most`."""
    if runs > most:
        shown = f"{runs:,}" if runs < 10**15 else f"{Decimal(runs):.0e}"
        wanted = f"--max-runs {runs}" if runs < 10**15 else "--max-runs"
        raise UsageError(
            f"that is {shown} runs, and at most {most:,} are planned at once; take fewer values, or type {wanted} to allow more"
        )


def swept(override: Override) -> bool:
    """Returns whether an override is a sweep over several values."""
    return bool(override.is_sweep_override())


def _values(override: Override, options: Callable[[str], list[str]]) -> tuple[int, Iterator[str]]:
    """Returns the number of an override's values, and an iterator over the values as text."""
    from hydra.core.override_parser.types import Glob, RangeSweep

    value = override.value()
    if not override.is_sweep_override():
        key = override.key_or_group
        return 1, iter([str(value) if key in PATHS else as_text(value)])
    if override.is_interval_sweep():
        raise UsageError(
            f"{override.input_line}: an interval is not a list of values; use range(start,stop,step) or choice()"
        )
    if isinstance(value, RangeSweep):
        count, values = _steps(override, value)
    elif isinstance(value, Glob):
        names = _globbed(override, value, options)
        count, values = len(names), map(as_text, names)
    else:
        each: list[Any] = [override._convert_value(one) for one in value.list]  # type: ignore[union-attr]
        count, values = len(each), map(as_text, each)
    if count <= 0:
        raise UsageError(f"{override.input_line}: it contains no values; range(0,10) means 0 to 9")
    return count, values


def _globbed(override: Override, glob: Any, options: Callable[[str], list[str]]) -> list[str]:
    known = options(override.key_or_group)
    if not known:
        raise UsageError(
            f"{override.input_line}: glob() chooses among the options of a group, such as model; write the values instead"
        )
    names: list[str] = glob.filter(known)
    if not names:
        raise UsageError(
            f"{override.input_line}: no option of '{override.key_or_group}' matches; valid: {', '.join(known)}"
        )
    return names


def _steps(override: Override, sweep: RangeSweep) -> tuple[int, Iterator[str]]:
    """Returns the values of a range, computed in decimal, because Hydra's binary steps of 0.1 give 0.30000000000000004."""
    start, stop, step = (Decimal(str(n)) for n in (sweep.start, sweep.stop, sweep.step))
    if not (start.is_finite() and stop.is_finite() and step.is_finite()):
        raise UsageError(f"{override.input_line}: a range needs finite numbers; range(0,10) means 0 to 9")
    count = math.ceil((stop - start) / step) if step else 0
    kind = float if any(isinstance(n, float) for n in (sweep.start, sweep.stop, sweep.step)) else int
    return count, (str(kind(start + i * step)) for i in range(count))
