"""Carries out a plan: finished runs are skipped, and this process stores each run as soon as it ends, wherever it trained."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.config.specs import stored_metric
from dropbench.config.yaml import as_yaml
from dropbench.errors import Interrupted, UsageError
from dropbench.execute.agenda import Agenda, InTime, Marks, marks
from dropbench.execute.cohort import Broken, Failure, Listener, Note, Retry
from dropbench.execute.cohorts import Cohort
from dropbench.execute.disk import Writer
from dropbench.execute.executors import executor
from dropbench.execute.failure_policy import LENIENT, FailurePolicy
from dropbench.execute.keeping import files_of
from dropbench.execute.memory_limits import MemoryLimits
from dropbench.execute.record import record_of
from dropbench.identity import OURS
from dropbench.process.stop import Stop
from dropbench.settings import Settings
from dropbench.spec import RunSpec
from dropbench.store import Record, Store, lacking
from dropbench.store.checkpoints import Checkpoints
from dropbench.store.claims import Claims

if TYPE_CHECKING:
    from dropbench.engine.result import Progress, RunResult


@dataclass(frozen=True)
class Stored:
    """A run that has ended and whose record is in `folder`; `notes` are the engine's notes about it."""

    record: Record
    folder: Path
    notes: tuple[str, ...]
    elsewhere: bool = False
    """Whether another command trained it while this one ran."""


class TooManyFailed(Exception):
    """Raised when the number of failed runs reaches the limit that ends the command."""


def unfinished(
    specs: Sequence[RunSpec], store: Store, extra: Sequence[Path] = (), *, force: bool = False
) -> list[RunSpec]:
    """Returns the runs to train: those without a record, those that failed, and those that lack a metric asked for now.

    Runs of the last kind also measure again the metrics that they have, so that replacing their records loses nothing. A run
    that diverged is not trained again for a metric, because it would diverge again and measure nothing.

    Parameters
    ----------
    specs : sequence of RunSpec
        The runs that are asked for.
    store : Store
        The store of the trained runs.
    extra : sequence of Path
        The user's folders of options, which may define a metric of a stored run.
    force : bool
        Whether finished runs are trained again too.

    Raises
    ------
    UsageError
        If a stored run has a metric that is not an option any more and so would be lost.
    """
    todo = []
    done = store.done(s.run_id for s in specs)
    asked: dict[tuple[int, ...], Mapping[str, Any]] = {}
    for spec in specs:
        record = done.get(spec.run_id)
        if record is not None and spec.kin not in asked:
            asked[spec.kin] = spec.as_dict()["metric"]
        if record is None:
            todo.append(spec)
        elif force or (record.status == "completed" and lacking(record, asked[spec.kin], spec.sources)):
            todo.append(_measuring_all(spec, record, extra))
    return todo


def _measuring_all(spec: RunSpec, record: Record, extra: Sequence[Path]) -> RunSpec:
    """Returns the run with the metrics of its record added to those that are asked for now."""
    stored = {}
    for name, node in record.config["metric"].items():
        if name not in spec.metric:
            if (metric := stored_metric(name, node, extra)) is None:
                raise UsageError(
                    f"run {spec.run_id} must be trained again to measure further metrics, but would lose its metric "
                    f"{name}, which is not an option here; name the folder that holds this metric with --conf DIR, or choose "
                    "another folder: results=DIR"
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
    *,
    policy: FailurePolicy = LENIENT,
    before: Marks | None = None,
    claims: Claims | None = None,
    stop: Stop | None = None,
    in_time: InTime = lambda cohort: True,
    waits: bool = True,
) -> Generator[Stored]:
    """Trains the cohorts and yields each run once it is stored, also those that other commands train meanwhile.

    On this machine, a single worker trains in this process, unless runs contain user code or there is a time limit. Otherwise
    training runs in separate processes, so that a run that kills its process is a failure and does not end the command.

    Parameters
    ----------
    cohorts : sequence of Cohort
        The cohorts to train.
    settings : Settings
        The plan's settings.
    device : str
        The device by torch's name, or several: `cuda:0,cuda:1`.
    workers : int
        The number of processes that train at once.
    store : Store
        The store to write runs to, in which runs of other commands are found too.
    listen : Listener
        Called at the end of each epoch of the runs that this command trains, and with retries and notes.
    policy : FailurePolicy
        What happens when runs fail.
    before : Marks
        What was stored before the runs to train were chosen.
    claims : Claims
        Claims to use instead of the store's own, for tests.
    stop : Stop
        Whether this process is to stop.
    in_time : InTime
        Whether a cohort that is begun now is expected to end in time.
    waits : bool
        Whether to wait until the runs that other commands train have ended too.

    Raises
    ------
    KeyboardInterrupt
        If this process is to stop, after what is in training has been saved.
    Interrupted
        If this ends while trained runs could not be stored, with exit code 1.
    TooManyFailed
        If as many runs have failed as end the command by `policy`.
    """
    store.check()
    asked = Stop() if stop is None else stop
    specs = [s for cohort in cohorts for s in cohort.specs]
    checkpoints = Checkpoints(store.root)
    checkpoints.sweep(store.is_done)
    groups = [{s.run_id for s in cohort.specs} for cohort in cohorts]
    left = {run: group for group in groups for run in group}
    done: set[str] = set()
    failures = 0
    writer: Writer[RunResult | Failure, Stored] = Writer(
        lambda outcome: _keep(outcome, settings, device, store), listen
    )
    with claims or Claims(store.root) as claimed:
        limits = MemoryLimits(settings, device, workers)
        since = marks(specs, store) if before is None else before
        agenda = Agenda(cohorts, store, claimed, limits, listen, since, policy.retries, in_time, waits)
        heard = _of_own(listen, claimed)
        try:
            apart = (
                workers > 1
                or settings.execute.timeout is not None
                or any({*s.sources.values()} - {OURS} for s in specs)
            )
            chosen = executor(agenda, apart, settings, device, workers, heard, asked)
            with closing(chosen.outcomes()) as outcomes:
                for stored in _stored(outcomes, agenda, writer, store, asked):
                    yield stored
                    run = stored.record.run_id
                    done.add(run)
                    if left[run] <= done:
                        checkpoints.sweep(lambda run: run in done or store.is_done(run))
                    failures += stored.record.status == "failed"
                    if policy.max_failures is not None and failures >= policy.max_failures:
                        raise TooManyFailed
        finally:
            for _ in writer.written(now=True):
                pass
            checkpoints.sweep(lambda run: run in done or store.is_done(run))
            if (lost := writer.lost()) is not None:
                raise Interrupted(lost, code=1)


def _stored(
    outcomes: Iterator[RunResult | Broken | None],
    agenda: Agenda,
    writer: Writer[RunResult | Failure, Stored],
    store: Store,
    stop: Stop,
) -> Iterator[Stored]:
    """Yields each run as soon as it is stored, by this command or by another."""
    for outcome in outcomes:
        ended = agenda.broken(outcome) if isinstance(outcome, Broken) else outcome
        if ended is not None:
            agenda.trained([ended.spec.run_id])
            writer.add(ended)
        for stored in writer.written():
            yield replace(stored, elsewhere=not agenda.ended(stored.record.run_id))
        for record in agenda.ended_elsewhere():
            yield Stored(record, store.folder(record.run_id), (), elsewhere=True)

    def wait(seconds: float) -> None:
        stop.wait(seconds)
        if stop():
            raise KeyboardInterrupt

    for stored in writer.rest(wait):
        yield replace(stored, elsewhere=not agenda.ended(stored.record.run_id))
    for record in agenda.ended_elsewhere():
        yield Stored(record, store.folder(record.run_id), (), elsewhere=True)


def failed_when_planned(
    specs: Sequence[RunSpec], reasons: Mapping[str, str], settings: Settings, device: str, store: Store
) -> list[Stored]:
    """Stores runs that could not be planned as failed runs; `reasons` gives the reason for each run id."""
    return [_keep(Failure(s, reasons[s.run_id], reasons[s.run_id], 0.0), settings, device, store) for s in specs]


def _of_own(listen: Listener, claims: Claims) -> Listener:
    """Returns a listener that drops epochs of runs that another command has taken over, because that one reports them."""

    def heard(event: Progress | Retry | Note) -> None:
        from dropbench.engine.result import Progress

        if isinstance(event, Progress):
            event = replace(event, rows={run: row for run, row in event.rows.items() if claims.holds(run)})
        listen(event)

    return heard


def _keep(outcome: RunResult | Failure, settings: Settings, device: str, store: Store) -> Stored:
    beside = files_of(outcome, settings, store)
    record = record_of(outcome, device, settings.execute.threads, beside)
    config = as_yaml(record.config)
    if isinstance(outcome, Failure):
        return Stored(record, store.write(record, [], config, outcome.traceback), ())
    return Stored(record, store.write(record, outcome.history, config, beside=beside), tuple(outcome.notes))
