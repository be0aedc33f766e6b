"""`sweep` and `train`: what is not finished yet is trained, and what came of it is an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dropbench.api.answer import Answer
from dropbench.api.call import call
from dropbench.api.objects import as_settings, typed
from dropbench.api.overrides import Folders, Override, words
from dropbench.api.run import Run
from dropbench.config.paths import own_folders
from dropbench.errors import UsageError

if TYPE_CHECKING:
    from dropbench.planning.plan import Plan


def sweep(
    *overrides: Override,
    data: Any = None,
    target: str | None = None,
    model: Any = None,
    conf: Folders = (),
    tune: Sequence[str] | Mapping[str, Sequence[Any]] = (),
    tuning_seeds: int | None = None,
    until_settled: bool = False,
    at_most: int | None = None,
    max_minutes: float | None = None,
    max_runs: int = 10_000,
    retries: int = 0,
    max_failures: int | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Answer:
    """Trains every run of a grid or a study that is not finished yet, and compares them: `dropbench sweep`.

    Where several workers are allowed (`execute.workers`), they are fresh interpreters, never copies of this process, whose
    threads a copy could wait for in vain; a script needs no `if __name__ == "__main__"` for them. With `execute.workers=1`
    all is trained in this process, which is faster where it takes less than some seconds. How it goes is told on standard
    error.

    Parameters
    ----------
    *overrides : str or mapping
        Settings as on the command line, `"study=three_arm"`, `"dropout.rate=0.1,0.5"`, or `{"train.lr": 0.01}`.
    data : object, optional
        In place of `"data=..."`: `(x, y)` of arrays as `arrays.table_of` takes them, `(x, y, {"test": rows})` with the row
        numbers of a test split, a DataFrame with `target`, or a `dropbench.data.base.Table`. Identified by its content.
    target : str, optional
        Of a DataFrame the column to predict. It is read as the CSV file that it would be written as, with the same settings:
        `"data.task=regress"`.
    model : class or function, optional
        In place of `"model=..."`: makes an nn.Module, as `model=module` takes it; `{"model.args": {"depth": 3}}` says what it
        is given. One of an importable module is as if typed. Any other, such as a cell's of a notebook, is identified by its
        source and trained in this process.
    conf : path, or several
        Folders of options of your own.
    tune : sequence of str, or mapping
        Before the comparison each arm gets its best value of these keys, by validation: `["train.lr=1e-3,1e-2"]` or
        `{"train.lr": [1e-3, 1e-2]}`.
    tuning_seeds : int, optional
        Under how many seeds these are tried; 3 unless it is given.
    until_settled : bool
        Whether more and more seeds are taken, until every arm has its verdict.
    at_most : int, optional
        How many seeds that may be; 60 unless it is given.
    max_minutes : float, optional
        Minutes after which it ends, with what there is; the same call goes on.
    max_runs : int
        A grid of more runs is an error.
    retries : int
        How often a failed run is tried again.
    max_failures : int, optional
        After how many failed runs it stops.
    force : bool
        Whether what is finished is trained again.
    quiet : bool
        Whether errors and warnings alone are told.

    Returns
    -------
    Answer
        What the command would print. Runs that failed are told on standard error, and are rows of `runs`.

    Raises
    ------
    UsageError
        For what cannot be trained: one sentence.
    KeyboardInterrupt
        On Ctrl-C, once what is in training is saved. The same call goes on from there.
    """
    with call(trains=True):
        from dropbench.api.telling import Telling
        from dropbench.cli.outcome import compared, nothing_yet
        from dropbench.cli.sweep import Going, asked_for, ends_in, pursue
        from dropbench.cli.tuned import left_out
        from dropbench.config.compose import composer
        from dropbench.execute.failure_policy import FailurePolicy

        until = ends_in(max_minutes)
        going = Going(_tuned(tune), tuning_seeds, until_settled, at_most)
        shown, policy = Telling(quiet), FailurePolicy(retries, max_failures)
        with as_settings(data, target, model) as objects:
            extra = [*own_folders(conf), *objects.conf]
            if objects.note is not None:
                shown.note(objects.note)
            with composer(extra) as c:
                course = asked_for(typed(words(overrides), objects), going, c, max_runs)
                _check_imported(course.first)
                done = pursue(course, extra, shown, policy, force=force, until=until)
            assert done is not None  # it was no dry run
            if untold := nothing_yet(done.kept):
                shown.warning(untold)
            shown.errors(left_out(done.kept, done.store))
            return Answer(compared(done.kept, done.store, extra), [done.kept])


def train(
    *overrides: Override,
    data: Any = None,
    target: str | None = None,
    model: Any = None,
    conf: Folders = (),
    retries: int = 0,
    force: bool = False,
    quiet: bool = False,
) -> Run:
    """Trains one run, one arm under one seed, unless it is finished: `dropbench train`.

    It is trained in this process, unless code of your own is in it, which gets a fresh interpreter.

    Parameters
    ----------
    *overrides : str or mapping
        Settings as on the command line, `"dropout.rate=0.3"`, or `{"train.lr": 0.01}`.
    data, target, model : optional
        Objects, as of `sweep`.
    conf : path, or several
        Folders of options of your own.
    retries : int
        How often it is tried again if it fails.
    force : bool
        Whether it is trained again if it is finished.
    quiet : bool
        Whether errors alone are told.

    Returns
    -------
    Run
        Its `status` is `failed` where it failed.

    Raises
    ------
    UsageError, KeyboardInterrupt
        As `sweep` does.
    """
    with call(trains=True):
        from dropbench.api.telling import Telling
        from dropbench.cli.train import one_run
        from dropbench.config.compose import composer
        from dropbench.execute.failure_policy import FailurePolicy
        from dropbench.planning.plan import single
        from dropbench.store import Record

        shown = Telling(quiet)
        with as_settings(data, target, model) as objects:
            extra = [*own_folders(conf), *objects.conf]
            if objects.note is not None:
                shown.note(objects.note)
            with composer(extra) as c:
                plan = single(typed(words(overrides), objects), c)
                _check_imported(plan)
            record, folder = one_run(plan, extra, shown, FailurePolicy(retries), force=force)
        if not isinstance(record, Record):
            raise UsageError(f"the record in {folder} cannot be read; --force trains the run again")
        return Run(record, folder, own_folders(conf), model)


def _check_imported(plan: Plan) -> None:
    """Raises UsageError where code of the user's own was edited after it was imported."""
    from dropbench.config.source_hash import check_imported

    for target in {target for spec in plan.specs for target in spec.sources}:
        check_imported(target)


def _tuned(tune: Sequence[str] | Mapping[str, Sequence[Any]]) -> list[str]:
    if isinstance(tune, str):
        return [tune]
    return words([{key: tuple(values)} for key, values in tune.items()]) if isinstance(tune, Mapping) else list(tune)
