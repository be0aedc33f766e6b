"""Carries out a plan on this machine: what is finished is skipped, and each run is stored the moment it ends."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.config.specs import stored_metric
from dropbench.config.yaml import as_yaml
from dropbench.errors import UsageError
from dropbench.execute.cohort import Failure, Listener, carry_out
from dropbench.execute.cohorts import Cohort
from dropbench.execute.keeping import files_of
from dropbench.execute.pool import in_pool
from dropbench.execute.record import record_of
from dropbench.spec import RunSpec, Settings
from dropbench.store import Record, Store, lacking
from dropbench.store.checkpoints import Checkpoints

if TYPE_CHECKING:
    from dropbench.engine.result import RunResult


@dataclass(frozen=True)
class Stored:
    """A run that has ended, its record written to `folder`; `notes` are what the engine had to say."""

    record: Record
    folder: Path
    notes: tuple[str, ...]


def unfinished(specs: Sequence[RunSpec], store: Store, extra: Sequence[Path] = ()) -> list[RunSpec]:
    """The runs to train: those without a record, those that failed, and those that lack a metric that is asked for now.

    The last measure again what they have, beside what is new, so that their records can be replaced without a loss. A run that
    diverged measured nothing and would again.

    Parameters
    ----------
    specs : sequence of RunSpec
        What is asked for.
    store : Store
        Where what was trained is.
    extra : sequence of Path
        The user's folders of options, among which a metric of a stored run may be.

    Raises
    ------
    UsageError
        Where a stored run has a metric that is no option any more, and so would be lost.
    """
    todo = []
    for spec in specs:
        record = store.finished(spec.run_id)
        if record is None:
            todo.append(spec)
        elif record.status == "completed" and lacking(record, spec.as_dict()["metric"], spec.sources):
            todo.append(_measuring_all(spec, record, extra))
    return todo


def _measuring_all(spec: RunSpec, record: Record, extra: Sequence[Path]) -> RunSpec:
    """With the metrics that its record has and that were not asked for now."""
    stored = {}
    for name, node in record.config["metric"].items():
        if name not in spec.metric:
            if (metric := stored_metric(name, node, extra)) is None:
                raise UsageError(
                    f"run {spec.run_id} is to be trained again for what is measured now and would lose its metric {name}, "
                    "which is no option here; name the folder that holds it, --conf DIR, or choose other results=DIR"
                )
            stored[name] = metric
    return spec.model_copy(update={"metric": {**stored, **spec.metric}})


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
    checkpoints = Checkpoints(store.root)
    checkpoints.sweep(store.is_done)
    left = {s.run_id: {t.run_id for t in cohort.specs} for cohort in cohorts for s in cohort.specs}
    ended: set[str] = set()
    for outcome in _outcomes(cohorts, settings, device, workers, listen):
        yield _keep(outcome, settings, device, store)
        ended.add(outcome.spec.run_id)
        if left[outcome.spec.run_id] <= ended:
            checkpoints.sweep(lambda run: run in ended or store.is_done(run))


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
    beside = files_of(outcome, settings, store)
    record = record_of(outcome, device, settings.execute.threads, beside)
    config = as_yaml(record.config)
    if isinstance(outcome, Failure):
        return Stored(record, store.write(record, [], config, outcome.traceback), ())
    return Stored(record, store.write(record, outcome.history, config, beside=beside), tuple(outcome.notes))
