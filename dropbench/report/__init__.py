"""Records -> pandas -> statistics -> tables. No torch.

Importing this loads nothing: pandas and scipy come in with the first report that is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from dropbench.report.assemble import Report
    from dropbench.store import Store

__all__ = ["FORMATS", "build", "for_runs", "render", "show"]

FORMATS = ("rich", "csv", "markdown", "json")


def build(paths: Sequence[Path], filters: Sequence[str] = (), baseline: str | None = None) -> Report:
    """A report on what is stored. paths: results folders or single run folders. filters: `key=value[,value...]`.

    baseline: an arm's label or name in its plan (default: the study's baseline, else `none`).
    Raises UsageError for a path without results, a filter that can match nothing, and an unknown baseline.
    """
    from dropbench.report.assemble import build

    return build(paths, filters, baseline)


def for_runs(store: Store, run_ids: Iterable[str], arms: Mapping[str, Sequence[str]], baseline: str) -> Report:
    """A report on one plan: its run ids, its arms {name: run ids}, and the name of the arm to compare with."""
    from dropbench.report.assemble import for_runs

    return for_runs(store, run_ids, arms, baseline)


def render(report: Report, fmt: str = "rich", width: int | None = None) -> str:
    """The report as text in one of FORMATS; width in columns for `rich` (default: the terminal's)."""
    from dropbench.report.formats import render

    return render(report, fmt, width)


def show(report: Report, console: Console) -> None:
    """Prints the report's rich tables, as wide as the console."""
    from dropbench.report.formats import show

    show(report, console)
