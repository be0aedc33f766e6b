"""Finds the run that a user names by its folder or by the beginning of its id."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.errors import UsageError

if TYPE_CHECKING:
    from dropbench.store import Store


def found(run: str, results: Path) -> Path:
    """Return the folder of one run, by its path or the beginning of its id. Raises UsageError for none or several."""
    from dropbench.store import RECORD, Store

    _check_named(run)
    path = Path(run)
    if os.path.lexists(path / RECORD):
        return path
    if path.name != run:
        raise UsageError(f"{run} is not a run: it has no {RECORD}; dropbench runs list shows the stored runs")
    return next(iter(all_of(run, Store(results_folder(results)))))


def all_of(run: str, store: Store) -> list[Path]:
    """Return the folders of the one run whose id begins like this, a finished run's folder first."""
    _check_named(run)
    check_within(run, store.root)
    run = Path(run).name
    several = store.matching(run)
    if len(several) == 1:
        return next(iter(several.values()))
    if several:
        first = ", ".join(list(several)[:5])
        raise UsageError(
            f"{run}: {len(several)} runs in {store.root} have ids that begin like this ({first}, ...); write more of the id"
        )
    shows = "dropbench runs list shows the stored runs"
    typed = f"a condition is typed --where {shlex.quote(run)}" if "=" in run else shows
    raise UsageError(f"{run}: no run in {store.root} has an id that begins like this; {typed}")


def check_within(run: str, root: Path) -> None:
    """Raise UsageError for the folder of a run of another results folder; the beginning of an id may be in any."""
    path = Path(run)
    if path.name != run and path.parent.parent.resolve() != root.resolve():
        raise UsageError(f"{path} is not in {root}; name its folder: --results {path.parent.parent}")


def _check_named(run: str) -> None:
    """Raise UsageError for a blank text, because every id begins with the empty text."""
    if not run.strip():
        raise UsageError(
            "no run is named: write its folder or the beginning of its id; dropbench runs list shows the stored runs"
        )


def results_folder(folder: Path) -> Path:
    """Return a results folder, also from `results=DIR`. Raises UsageError if it is not a results folder."""
    from dropbench.report.records.load import RUN_SOMETHING
    from dropbench.store import FAILED, PLANS, RUNS

    root = Path(str(folder).removeprefix("results="))
    if not any(os.path.lexists(root / kind) for kind in (RUNS, FAILED, PLANS)):
        raise UsageError(f"{root} is not a results folder (it has no {RUNS}/); {RUN_SOMETHING}")
    return root
