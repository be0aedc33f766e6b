"""A sweep as typed: its overrides, and the options by which its own results decide on further runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dropbench.cli.stages import looking, resumed
from dropbench.config.sweeps import MOST_RUNS
from dropbench.errors import UsageError

if TYPE_CHECKING:
    from dropbench.config.compose import Composer
    from dropbench.planning.continuing import Course


@dataclass(frozen=True)
class Going:
    """The options by which a sweep's own results decide on further runs, as typed.

    tune: each item is `key=value,value`. until_settled, at_most, extend, widen: see app.
    """

    tune: Sequence[str] = ()
    tuning_seeds: int | None = None
    until_settled: bool = False
    at_most: int | None = None
    extend: str | None = None
    widen: int = 0


def ends_in(minutes: float | None) -> float | None:
    """Return the time, by `time.monotonic`, at which this many minutes have passed; None for no limit."""
    return None if minutes is None else time.monotonic() + 60 * minutes


def asked_for(overrides: Sequence[str], going: Going, composer: Composer, max_runs: int = MOST_RUNS) -> Course:
    """Return the course of a sweep as typed, after checking all of it. Raises UsageError as `sweep` does."""
    from dropbench.cli import extending
    from dropbench.cli.study_contrasts import check
    from dropbench.planning.continuing import TUNING_SEEDS, course

    if going.extend is not None:
        as_typed = replace(going, extend=None)
        longer = asked_for(extending.extended(overrides, going.extend), as_typed, composer, max_runs)
        extending.check(longer, asked_for(overrides, as_typed, composer, max_runs))
        return longer
    if going.tuning_seeds is not None and not going.tune:
        raise UsageError("--tuning-seeds: nothing is tuned; say what to tune, as in --tune train.lr=3e-4,1e-3,3e-3")
    if going.widen and not going.tune:
        raise UsageError("--widen: nothing is tuned; say what to tune, as in --tune train.lr=3e-4,1e-3,3e-3")
    if going.at_most is not None and not going.until_settled:
        raise UsageError("--at-most needs --until-settled; type both")
    asked = course(
        overrides,
        composer,
        tune=going.tune,
        tuning_seeds=going.tuning_seeds or TUNING_SEEDS,
        widen=going.widen,
        looking=looking(going.at_most) if going.until_settled else None,
        most=max_runs,
    )
    check(asked.first)
    return resumed(asked)
