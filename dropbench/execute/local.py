"""Carries out a plan on this machine: what is finished is skipped, and each run is stored the moment it ends."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.config.yaml import as_yaml
from dropbench.execute.cohort import Failure, Listener, carry_out
from dropbench.execute.cohorts import Cohort
from dropbench.execute.pool import in_pool
from dropbench.execute.record import record_of
from dropbench.spec import RunSpec, Settings
from dropbench.store import Record, Store

if TYPE_CHECKING:
    from dropbench.engine.result import RunResult


@dataclass(frozen=True)
class Stored:
    """A run that has ended, its record written to `folder`; `notes` are what the engine had to say."""

    record: Record
    folder: Path
    notes: tuple[str, ...]


def unfinished(specs: Sequence[RunSpec], store: Store) -> list[RunSpec]:
    """The runs that have no record yet; failed ones are tried again."""
    return [s for s in specs if not store.is_done(s.run_id)]


def execute(
    cohorts: Sequence[Cohort],
    settings: Settings,
    device: str,
    workers: int,
    store: Store,
    listen: Listener = lambda event: None,
) -> Generator[Stored]:
    """Trains the cohorts and yields each run once it is stored.

    With one worker, in this process; with more, in processes of their own even where one would do: a run that kills its
    process is then a failure, not the end.
    """
    store.check()
    for outcome in _outcomes(cohorts, settings, device, workers, listen):
        yield _keep(outcome, settings, device, store)


def _outcomes(
    cohorts: Sequence[Cohort],
    settings: Settings,
    device: str,
    workers: int,
    listen: Listener,
) -> Iterator[RunResult | Failure]:
    if workers > 1:
        yield from in_pool(cohorts, settings, device, workers, listen)
        return
    for cohort in cohorts:
        yield from carry_out(cohort, settings, device, listen)


def _keep(outcome: RunResult | Failure, settings: Settings, device: str, store: Store) -> Stored:
    record = record_of(outcome, device, settings.execute.threads)
    config = as_yaml(record.config)
    if isinstance(outcome, Failure):
        return Stored(record, store.write(record, [], config, outcome.traceback), ())
    return Stored(record, store.write(record, outcome.history, config), tuple(outcome.notes))
