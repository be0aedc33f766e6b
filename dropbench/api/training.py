"""`sweep` and `train` train the runs that are not finished yet, and return the result as an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dropbench.api.answer import Answer
from dropbench.api.arguments import checked
from dropbench.api.call import call
from dropbench.api.objects import as_settings, typed
from dropbench.api.overrides import Folders, Override, words
from dropbench.api.run import Run
from dropbench.config.paths import own_folders
from dropbench.errors import UsageError

if TYPE_CHECKING:
    from dropbench.planning.plan import Plan


@checked("setting")
def sweep(
    *overrides: Override,
    data: Any = None,
    target: str | None = None,
    model: Any = None,
    conf: Folders = (),
    tune: Sequence[str] | Mapping[str, Sequence[Any]] = (),
    tuning_seeds: int | None = None,
    widen: int = 0,
    until_settled: bool = False,
    at_most: int | None = None,
    extend: int | None = None,
    max_minutes: float | None = None,
    max_runs: int = 10_000,
    retries: int = 0,
    max_failures: int | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Answer:
    """Train every run of a grid or a study that is not finished yet, and compare all runs, as `dropbench sweep` does.

    If several workers are allowed (`execute.workers`), each is a fresh Python interpreter and not a fork of this process,
    since a fork may hang while it waits for threads that it does not have. A script needs no `if __name__ == "__main__"` for
    them. With `execute.workers=1` everything is trained in this process, which is faster for sweeps of a few seconds.
    Progress is printed on standard error.

    Parameters
    ----------
    *overrides : str or mapping
        Settings as on the command line, `"study=three_arm"`, `"dropout.rate=0.1,0.5"`, or `{"train.lr": 0.01}`.
    data : object, optional
        Used instead of `"data=..."`: arrays `(x, y)` as `arrays.table_of` takes them, `(x, y, {"test": rows})` with the row
        numbers of a test split, a DataFrame with `target`, a Dataset of torch whose items are pairs, or several,
        `(train, test)`, or a `dropbench.data.base.Table`. Data are identified by content.
    target : str, optional
        The column of a DataFrame to predict. The DataFrame is read like a CSV file, with the same settings, such as
        `"data.task=regress"`.
    model : class or function, optional
        Used instead of `"model=..."`: it returns an nn.Module, as for `model=module`; `{"model.args": {"depth": 3}}` sets its
        arguments. A class or function of an importable module is the same as its import path on the command line. Any other,
        such as one from a notebook cell, is identified by its source and trained in this process.
    conf : path, or several
        Folders with your own options.
    tune : sequence of str, or mapping
        Before the comparison each arm gets its best value of these keys, by validation score: `["train.lr=1e-3,1e-2"]` or
        `{"train.lr": [1e-3, 1e-2]}`.
    tuning_seeds : int, optional
        The number of seeds that each value is tried under; by default 3.
    widen : int
        How often a value beyond the smallest or the largest is tried too, in every arm, where it is the best of one.
    until_settled : bool
        Whether seeds are added until the verdict on every arm is settled.
    at_most : int, optional
        The largest number of seeds for `until_settled`; by default 60.
    extend : int, optional
        Continue finished runs to this many epochs in all. They must have been trained with `train.extendable=true`.
    max_minutes : float, optional
        Stop after this many minutes; the same call continues later.
    max_runs : int
        A grid with more runs than this is an error.
    retries : int
        How often a failed run is tried again.
    max_failures : int, optional
        Stop after this many failed runs.
    force : bool
        Whether finished runs are trained again.
    quiet : bool
        Whether only errors and warnings are printed.

    Returns
    -------
    Answer
        The report that the command would print. Failed runs are named on standard error, and have rows in `runs`.

    Raises
    ------
    UsageError
        For what cannot be trained: one sentence.
    KeyboardInterrupt
        On Ctrl-C, after the runs in training are saved. The same call continues from there.
    """
    with call(trains=True):
        from dropbench.api.telling import Telling
        from dropbench.cli.asking import Going, asked_for, ends_in
        from dropbench.cli.outcome import compared, nothing_yet
        from dropbench.cli.sweep import pursue
        from dropbench.cli.tuned import left_out
        from dropbench.config.compose import composer
        from dropbench.execute.failure_policy import FailurePolicy

        until = ends_in(max_minutes)
        longer = None if extend is None else f"train.epochs={extend}"
        going = Going(_tuned(tune), tuning_seeds, until_settled, at_most, longer, widen)
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


@checked("setting")
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
    """Train one run (one arm under one seed), unless it is finished already, as `dropbench train` does.

    The run is trained in this process. If it uses code of your own, it is trained in a fresh interpreter.

    Parameters
    ----------
    *overrides : str or mapping
        Settings as on the command line, `"dropout.rate=0.3"`, or `{"train.lr": 0.01}`.
    data, target, model : optional
        Objects, as for `sweep`.
    conf : path, or several
        Folders with your own options.
    retries : int
        How often the run is tried again if it fails.
    force : bool
        Whether the run is trained again if it is finished already.
    quiet : bool
        Whether only errors are printed.

    Returns
    -------
    Run
        The run. If it failed, its `status` is `failed`.

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
        graphed = data if getattr(data, "graph", None) is not None else None
        return Run(record, folder, own_folders(conf), model, graphed)


def _check_imported(plan: Plan) -> None:
    """Raise UsageError if the user's own code was edited after it was imported."""
    from dropbench.config.source_hash import check_imported

    for target in {target for spec in plan.specs for target in spec.sources}:
        check_imported(target)


def _tuned(tune: Sequence[str] | Mapping[str, Sequence[Any]]) -> list[str]:
    if isinstance(tune, str):
        return [tune]
    return words([{key: tuple(values)} for key, values in tune.items()]) if isinstance(tune, Mapping) else list(tune)
