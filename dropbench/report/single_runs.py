"""From folders to a Report of single runs: load, filter and name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dropbench.report.gathered import gather, with_asked, with_data
from dropbench.report.tables.notes.runs import skipped
from dropbench.report.tables.report import Report
from dropbench.report.tables.runs import runs_of
from dropbench.values import plain


def list_runs(
    paths: Sequence[Path], filters: Sequence[str] = (), *, where: Sequence[str] = (), metric: str | None = None
) -> Report:
    """Report on single runs, one row each. The other parameters are as in `build`.

    metric: a measure that is computed from histories, such as `epochs to val_accuracy=0.9`, is added as a column; any other
    metric is only checked to exist.

    Raises UsageError as `build` does.
    """
    gathered, metric = with_asked(with_data(gather(paths, filters, where)), metric)
    frame, report = gathered.frame, gathered.report
    gathered.measures.resolve(frame, metric)  # raises if no run has it
    notes = tuple(map(plain, (*report.notes, *skipped(report.skipped))))
    return replace(
        report,
        notes=notes,
        questions=tuple(map(plain, report.questions)),
        single=runs_of(frame, gathered.measures, report.plans),
    )
