"""Records -> pandas -> statistics -> tables. No torch.

Importing this loads nothing: pandas and scipy come in with the first report that is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.report.output import FORMATS

if TYPE_CHECKING:
    from rich.console import Console

    from dropbench.report.tables.report import Report
    from dropbench.store import Store

__all__ = ["FORMATS", "build", "for_runs", "pivot", "render", "show", "write", "write_figures"]


def build(
    paths: Sequence[Path],
    filters: Sequence[str] = (),
    baseline: str | None = None,
    *,
    where: Sequence[str] = (),
    metric: str | None = None,
    rope: str | None = None,
) -> Report:
    """A report on what is stored. paths: results folders or single run folders. filters: `key=value[,value...]`.

    baseline: an arm's label or name in its plan (default: the study's baseline, else `none`, else
    an arm at rate 0). where: conditions such as
    `data.n_train<=1000`. metric: what verdicts are about, such as `loss` (of the test split) or `val_loss`; default: accuracy
    where it was measured, else loss. rope: half the width of the region of practical equivalence, `0.2pp`, `0.01` or `1%`.
    Raises UsageError for a path without results, a filter that can match nothing, and an unknown baseline or metric.
    """
    from dropbench.report.assemble import build

    return build(paths, filters, baseline, where, metric, rope)


def pivot(
    paths: Sequence[Path],
    filters: Sequence[str] = (),
    *,
    rows: str,
    cols: str | None = None,
    where: Sequence[str] = (),
    metric: str | None = None,
) -> Report:
    """A measure over one or two configuration keys, such as rows="dropout.rate", cols="model"; the rest is as in `build`.

    One table for each setting of what else varies. Raises UsageError as `build` does, and for unknown keys.
    """
    from dropbench.report.assemble import pivot

    return pivot(paths, filters, rows, cols, where, metric)


def for_runs(store: Store, run_ids: Iterable[str], arms: Mapping[str, Sequence[str]], baseline: str) -> Report:
    """A report on one plan: its run ids, its arms {name: run ids}, and the name of the arm to compare with."""
    from dropbench.report.assemble import for_runs

    return for_runs(store, run_ids, arms, baseline)


def render(report: Report, fmt: str = "rich", width: int | None = None, *, wide: bool = False) -> str:
    """The report as text in one of FORMATS but parquet; width in columns for `rich` (default: the terminal's).

    wide: all columns of the tables, not those that matter most.
    """
    from dropbench.report.output.formats import render

    return render(report, fmt, width, wide)


def write(report: Report, fmt: str, file: Path, *, wide: bool = False) -> None:
    """Writes the report to a file in one of FORMATS. Raises OSError where that cannot be."""
    from dropbench.report.output.formats import write

    write(report, fmt, file, wide)


def write_figures(report: Report, folder: Path) -> list[Path]:
    """Writes each picture that the records have what it takes for, NAME.svg and NAME.png, and returns the files.

    Raises OSError where that cannot be.
    """
    from dropbench.report.output.figures import write

    return write(report, folder)


def show(report: Report, console: Console) -> None:
    """Prints the report's rich tables, as wide as the console."""
    from dropbench.report.output.terminal import show

    show(report, console)
