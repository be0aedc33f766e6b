"""What to type for what a diagnosis proposes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.errors import UsageError

if TYPE_CHECKING:
    from dropbench.report.tables.report import Report


def with_commands(report: Report, paths: Sequence[Path], conf: Sequence[Path]) -> Report:
    """The report with the commands for each diagnosis, where the options that it takes are still as they were.

    Parameters
    ----------
    report : Report
        Its diagnoses name whole configurations and seeds.
    paths : sequence of Path
        What it was made of: the first one is, or lies in, the results folder that the commands add to.
    conf : sequence of Path
        The user's folders of options.
    """
    from dropbench.planning.reproduce import commands
    from dropbench.store import RUNS

    first = paths[0] if paths else Path("results")
    root = str(next((p for p in (first, first.parent, first.parent.parent) if (p / RUNS).is_dir()), first))
    comparisons = []
    for comparison in report.comparisons:
        diagnoses = []
        for diagnosis in comparison.diagnosis or ():
            with suppress(UsageError):
                steps = [(s.config, s.seeds) for s in diagnosis.steps]
                diagnosis = replace(diagnosis, commands=tuple(commands(steps, root, conf)))
            diagnoses.append(diagnosis)
        comparisons.append(replace(comparison, diagnosis=tuple(diagnoses)))
    return replace(report, comparisons=tuple(comparisons))
