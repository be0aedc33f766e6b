"""The content of a report: its comparisons or grids, and the runs and plans behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from dropbench.report.tables.asked import Asked
from dropbench.report.tables.claims import Statement
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.grids import Grid
from dropbench.report.tables.runs import Runs
from dropbench.store import Skipped, StoredPlan
from dropbench.store.epochs import Epochs


@dataclass(frozen=True)
class Report:
    """Everything that an output format shows.

    Parameters
    ----------
    comparisons : tuple
        The comparisons, in natural order of their titles.
    notes : tuple
        Notes about all comparisons.
    advice : tuple
        Sentences of `dropbench advise` that the page begins with, if this report is its evidence.
    headlines : tuple
        Warnings that come first; they are shown even if only errors are wanted.
    skipped : tuple
        Records that could not be read.
    questions : tuple
        The questions of the studies, if this is a report of studies.
    grids : tuple
        Pivot tables. If there are any, there are no comparisons.
    asked : Asked or None
        Answers to questions in the grammar of contrasts. If set, there are no comparisons and no grids.
    claims : tuple
        Statements of studies with their verdicts. If there are any, there is nothing of the above.
    single : Runs or None
        A table with one row per run. If set, there is nothing of the above.
    configs, histories, epochs : Mapping
        For every run that was loaded, by its id: its configuration, the path of its history.csv, and a summary of that.
    plans : tuple
        The stored plans that have a run of this report, and those that do not list their arms.
    command : str or None
        The command that was typed, if it is known.
    runs : DataFrame or None
        The runs of the report, one row each.
    """

    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    headlines: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    asked: Asked | None = None
    claims: tuple[Statement, ...] = ()
    single: Runs | None = None
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    histories: Mapping[str, Path] = field(default_factory=dict, repr=False)
    epochs: Mapping[str, Epochs] = field(default_factory=dict, repr=False)
    plans: tuple[StoredPlan, ...] = ()
    command: str | None = None
    runs: pd.DataFrame | None = field(default=None, repr=False)
