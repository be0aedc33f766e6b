"""Runs that are trained to their ends, and where longer ones would go on with them."""

from __future__ import annotations

from collections.abc import Sequence

from training import cohort_of, table_of

from dropbench.engine.result import RunResult
from dropbench.engine.snapshot import State
from dropbench.execute.checkpoint import Saver, apart, gone_on
from dropbench.execute.cohorts import Cohort
from dropbench.planning.outline import outline
from dropbench.settings import Settings
from dropbench.spec import RunSpec

STEPS = 5
"""Of an epoch: 150 examples in batches of 32."""


def ended(told: Settings, *specs: RunSpec, states: Sequence[State] = ()) -> dict[str, RunResult]:
    """Trains runs to their ends, or from these states."""
    training = gone_on(lambda: cohort_of(*specs), states)
    return {r.spec.run_id: r for r in training.run(after_update=Saver(training, told, "cpu", lambda: False))}


def states_of(told: Settings, *specs: RunSpec) -> dict[str, State]:
    """Where these runs would go on, by run id."""
    cohort = Cohort(specs, outline(specs[0].model, table_of(specs[0])))
    return {state.run_id: state for _, states in apart(cohort, told, "cpu") for state in states}
