"""What `dropbench runs` does: finds runs, shows them, and removes those that the user agrees to."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dropbench.cli.console import Shown
from dropbench.cli.found import all_of, check_within, results_folder
from dropbench.cli.selection import Selection
from dropbench.config.typed import command
from dropbench.errors import UsageError, nearest
from dropbench.values import count, plain, written

if TYPE_CHECKING:
    import pandas as pd

    from dropbench.report.records.load import Found
    from dropbench.report.upkeep import Item
    from dropbench.store import Skipped, Store

_SHOWN = 20
"""The most lines of each kind that are listed before anything is removed."""


def list_runs(
    arguments: Sequence[str], where: Sequence[str], results: Sequence[Path] = (), *, as_json: bool, quiet: bool
) -> int:
    """Print one line per run of these folders that fits, the newest last. Returns the exit code, 0."""
    shown = Shown(quiet, as_json)
    selection = Selection(arguments, where=where)
    folders = [*selection.paths(), *map(results_folder, results)] or [Path("results")]
    frame, loaded = _frame(list(dict.fromkeys(folders)), selection.filters(), where)
    runs = frame.sort_values("started", kind="stable").to_dict("records")
    rows = [_row(row) for row in runs]
    if as_json:
        shown.json([row | measured for row, measured in zip(rows, map(_score, runs), strict=True)])
    elif not quiet:
        for line in _columns([tuple(rows[0]), *(tuple(map(written, r.values())) for r in rows)] if rows else []):
            shown.out(line)
        _say(shown, count(len(rows), "run"))
    if loaded.skipped:
        shown.warning(f"{count(len(loaded.skipped), 'record')} cannot be read: dropbench runs verify says why")
    return 0


def verify_runs(folders: Sequence[Path], *, as_json: bool, quiet: bool) -> int:
    """Print what is wrong in results folders. Return the exit code: 1 if anything is."""
    from dropbench.report.upkeep import verify

    shown = Shown(quiet, as_json)
    looked, wrong, to_type = 0, [], []
    for root in map(results_folder, folders):
        n, more = verify(root)
        looked += n
        wrong += more
        to_type += _mending(root, more)
    if as_json:
        shown.json({"looked_at": looked, "wrong": [{"path": str(w.path), "reason": w.reason} for w in wrong]})
    else:
        for fault in wrong:  # also if only errors are wanted, because these are errors
            shown.out(plain(f"{fault.path}: {fault.reason}"))
        _say(shown, f"{looked} records and plans looked at, {len(wrong) or 'nothing'} wrong")
        for line in to_type:
            shown.note(line)
    return 1 if wrong else 0


def _mending(root: Path, wrong: Sequence[Skipped]) -> list[str]:
    """Return what to type about the faults of one folder. For a record of a newer dropbench there is nothing to type."""
    from dropbench.store import RUNS
    from dropbench.store.record import WEIGHTS

    files = [w for w in wrong if w.path.parent.parent == root / RUNS]
    whole = [w for w in wrong if w not in files and w.path.parent != root and "newer dropbench" not in w.reason]
    lines = []
    if files:
        run = files[0].path.parent
        weights = run / WEIGHTS in [w.path for w in files]
        save = ["train.save=best"] if weights else []  # a run keeps them only on request
        again = command("train", "--from", str(run), *save, "--force")
        lines.append(f"to make the damaged files of a run again: {again}")
    if whole:
        prune = command("runs", "prune", *([] if str(root) == "results" else [str(root)]), "--dry-run")
        lines.append(
            f"to see which of the rest can be removed: {prune}; the sweep of a removed run, typed again, trains it again"
        )
    return lines


def remove_runs(
    ids: Sequence[str], where: Sequence[str], results: Path, *, dry_run: bool, yes: bool, quiet: bool
) -> int:
    """Remove runs by id and by condition. Return the exit code: 1 if the user did not agree."""
    from dropbench.store import Store

    if not ids and not where:
        raise UsageError(
            "runs remove: say which runs, by id or by condition: dropbench runs remove 4df5, or --where status=failed"
        )
    for run in ids:
        check_within(run, Path(str(results).removeprefix("results=")))
    store = Store(results_folder(results))
    folders = [folder for run in ids for folder in all_of(run, store)]
    if where:
        frame, loaded = _frame([store.root], [], where)
        folders += [loaded.histories[run].parent for run in frame["run_id"].tolist()]
    runs = [(folder, _about(folder)) for folder in dict.fromkeys(folders)]
    return _removed({"runs": runs}, store, Shown(quiet, False), dry_run=dry_run, yes=yes)


def prune_runs(folders: Sequence[Path], only: Sequence[str], *, dry_run: bool, yes: bool, quiet: bool) -> int:
    """Remove files that no report needs. Return the exit code: 1 if the user did not agree."""
    from dropbench.report.upkeep import KINDS, prunable
    from dropbench.store import Store

    for kind in only:
        if kind not in KINDS:
            raise UsageError(f"--only {kind}: there is no such kind; {nearest(kind, KINDS)}")
    shown, code = Shown(quiet, False), 0
    for root in map(results_folder, folders):
        items = [item for item in [*prunable(root), *_ended_jobs(root)] if not only or item.kind in only]
        by_kind = {KINDS[k]: [(i.path, i.why) for i in items if i.kind == k] for k in KINDS}
        code = max(
            code, _removed({k: v for k, v in by_kind.items() if v}, Store(root), shown, dry_run=dry_run, yes=yes)
        )
    return code


def _ended_jobs(root: Path) -> list[Item]:
    """The jobs that are known to have ended."""
    from dropbench.cli.jobs import states
    from dropbench.report.upkeep import Item

    return [Item("jobs", state.job.folder, state.said) for state in states(root) if state.ended]


def _removed(kinds: dict[str, list[tuple[Path, str]]], store: Store, shown: Shown, *, dry_run: bool, yes: bool) -> int:
    """List the files, ask the user, and remove them. Return the exit code."""
    total = sum(map(len, kinds.values()))
    if not total:
        _say(shown, f"{store.root}: nothing to remove")
        return 0
    for kind, items in kinds.items():
        _say(shown, f"{len(items)} × {kind}:")
        for path, why in items[:_SHOWN]:
            _say(shown, f"  {path}  {why}")
        if len(items) > _SHOWN:
            _say(shown, f"  and {len(items) - _SHOWN} more")
    if dry_run:
        _say(shown, f"{total} would be removed")
        return 0
    if not yes and not _agreed(f"Remove {'this' if total == 1 else f'these {total}'} from {store.root}?"):
        _say(shown, "nothing was removed")
        return 1
    for items in kinds.values():
        for path, _ in items:
            store.remove(path)
    _say(shown, f"removed {total}")
    return 0


def _agreed(question: str) -> bool:
    """Ask the user, and return whether the answer is yes. Raises UsageError if there is no terminal to ask on."""
    if not sys.stdin.isatty():
        raise UsageError(
            f"{question} There is no terminal to ask on: type --yes, or --dry-run to see what would be removed"
        )
    return typer.confirm(question, default=False, err=True)


def _frame(paths: Sequence[Path], filters_: Sequence[str], where: Sequence[str]) -> tuple[pd.DataFrame, Found]:
    """Return one row per run that fits, which may be none, and the records that were loaded."""
    from dropbench.report.records import filters
    from dropbench.report.records.frame import to_frame
    from dropbench.report.records.load import NONE_ENDED, load

    loaded = load(paths)
    if not loaded.records:
        why = "dropbench runs verify says why" if loaded.skipped else NONE_ENDED
        raise UsageError(f"{', '.join(map(str, paths))} contains no run that can be read; {why}")
    frame = to_frame(loaded.records)
    try:
        fit = filters.where(filters.select(frame, filters.parse(filters_)), filters.conditions(where))
    except filters.NoRun:
        fit = frame[:0]
    return fit, loaded


def _score(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the name and the value of a run's test score, None if it has none."""
    from dropbench.values import absent

    metric = next((k for k in ("test_accuracy", "test_loss") if k in row and not absent(row[k])), None)
    return {"metric": metric, "value": row[metric] if metric else None}


def _row(row: dict[Any, Any]) -> dict[str, Any]:
    """Return the cells of a run's line."""
    from dropbench.report.tables.arms import setting

    metric, value = _score(row).values()
    return {
        "run": row["run_id"],
        "status": row["status"],
        "model": row["model"],
        "data": row["data"],
        "setting": setting(row),
        "seed": row["seed"],
        "score": f"{metric.removeprefix('test_')} {value:.4g}" if metric else "-",
        "started": row["started"],
    }


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines of columns, each as wide as its longest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _about(folder: Path) -> str:
    """Describe a run in a few words."""
    from dropbench.store import Record, read

    record = read(folder)
    if not isinstance(record, Record):
        return record.reason
    parts = [
        *(str(record.config[group].get("name")) for group in ("model", "data")),
        *(v.name for v in record.variants),
    ]
    return plain(f"{record.status}, {', '.join(parts)}, seed {record.seed}")


def _say(shown: Shown, text: str) -> None:
    """Print a line to standard output, because what these commands print is their result."""
    if not shown.quiet:
        shown.out(plain(text))
