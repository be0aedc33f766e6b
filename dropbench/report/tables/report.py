"""All that a report is about: its comparisons or grids, and where they come from."""

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
    """What output shows.

    Parameters
    ----------
    comparisons : tuple
        In natural order of their titles.
    notes : tuple
        About all of them.
    headlines : tuple
        What comes before all else, and is said even where only errors are wanted.
    skipped : tuple
        What could not be read.
    questions : tuple
        What the studies asked, if the report is of studies.
    grids : tuple
        Pivots, instead of comparisons.
    asked : Asked or None
        Answers to questions in the grammar of contrasts, instead of both.
    claims : tuple
        Statements of studies with what became of them, instead of all of these.
    single : Runs or None
        Runs, a row each, instead of all of these.
    configs, histories, epochs : Mapping
        Of every run that was loaded, by its id: what it was set to, where its history.csv is, and what is known of that.
    plans : tuple
        The stored ones that have a run of this report, and those that do not say what they have.
    command : str or None
        What was typed to get it, where that is known.
    runs : DataFrame or None
        A row a run of all that it is about.
    """

    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    headlines: tuple[str, ...] = ()
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
