"""One comparison: arms, and all that is known of them, each thing computed once."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from dropbench.report.records.frame import by_label
from dropbench.report.records.measures import LEADING, Measure, Measures
from dropbench.report.records.said import Said, Untold
from dropbench.report.records.scores import Scores
from dropbench.report.statistics.contrast import Contrast, Expression, Minus
from dropbench.report.statistics.interval import ALPHA
from dropbench.report.statistics.judged import judged
from dropbench.report.statistics.verdict import region
from dropbench.report.statistics.widening import Widening, widening
from dropbench.report.tables.answers import Answer
from dropbench.report.tables.arms import Arm
from dropbench.report.tables.attribution_agreement import agreements
from dropbench.report.tables.exported import wide
from dropbench.report.tables.selection import Choice
from dropbench.report.tables.summary import Summary, summarise
from dropbench.store import Tuned

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """Runs to add: a whole configuration under these seeds."""

    config: Config
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Diagnosis:
    """What a rule says of a comparison.

    Parameters
    ----------
    rule : str
        Its name in docs/diagnosis.md.
    arms : tuple
        Labels of the arms that it is about.
    says, advice : str
        The evidence, and what to try.
    buys : str
        A sentence on what is known once that has run; nothing where nothing is to be run.
    steps : tuple
        The runs that this takes, if any.
    commands : tuple
        The same as typed, where they were written.
    options : tuple
        Of the sweep of the whole comparison, typed once more, in place of steps: `--tune` and its values, say.
    """

    rule: str
    arms: tuple[str, ...]
    says: str
    advice: str
    steps: tuple[Step, ...] = ()
    buys: str = ""
    commands: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Arms of a study, or arms that differ in regularizers only.

    Parameters
    ----------
    runs : DataFrame
        A row a run, with the `label` of its arm; an arm has one run a seed.
    baseline : str or None
        A label; None where the arm to compare with is not here.
    measure : Measure or None
        What the verdict is about; None where these runs have no such.
    measures : Measures
        What the runs' metrics declare.
    rope : str or None
        The region of equivalence of that measure's metric as typed; None is what it declares.
    alpha : float
        How often any of the intervals on one measure may miss.
    outcomes : tuple
        Measures that were named in advance, the verdict's first: each has its part of what may miss. None where none were.
    choices : tuple
        Of rates.
    tuned : tuple
        How the settings of arms were found, of those that were tuned.
    notes, brief : tuple
        What a reader must know beside the numbers, in full and in short: what warns is in both.
    diagnosis : tuple or None
        What it means for the next run; None where nobody asked.
    further : tuple of Diagnosis
        What of the sweep itself limits what it can tell, and how it is typed without that.
    answers : tuple of Answer
        To the contrasts that its study names.
    said : Said or None
        What runs said of their test examples, so that answers are about examples like these; None where they are to be about
        these.
    explained : tuple
        The tables' rows in plain words, where that was asked for.
    typed : Mapping
        By an arm's label what to type to run it again, where that was asked for and can be typed.
    """

    title: str
    runs: pd.DataFrame
    arms: tuple[Arm, ...]
    baseline: str | None
    measure: Measure | None
    measures: Measures
    rope: str | None = None
    alpha: float = ALPHA
    outcomes: tuple[Measure, ...] = ()
    choices: tuple[Choice, ...] = ()
    tuned: tuple[Tuned, ...] = ()
    notes: tuple[str, ...] = ()
    brief: tuple[str, ...] = ()
    diagnosis: tuple[Diagnosis, ...] | None = None
    further: tuple[Diagnosis, ...] = ()
    answers: tuple[Answer, ...] = ()
    said: Said | None = None
    explained: tuple[tuple[str, str], ...] = ()
    typed: Mapping[str, str] = field(default_factory=dict)
    _widenings: dict[int, tuple[Expression, Widening | Untold]] = field(default_factory=dict, repr=False)
    _scores: dict[str, Mapping[str, Scores]] = field(default_factory=dict, repr=False)
    _contrasts: dict[Measure, dict[str, Contrast]] = field(default_factory=dict, repr=False)

    @property
    def labels(self) -> list[str]:
        """Of all arms, in the table's order."""
        return [a.label for a in self.arms]

    @property
    def others(self) -> list[str]:
        """The labels of all arms but the baseline."""
        return [label for label in self.labels if label != self.baseline]

    def run_of(self, label: str) -> str:
        """The id of one of an arm's runs."""
        return str(self.runs_of(label)["run_id"].iloc[0])

    def runs_of(self, label: str) -> pd.DataFrame:
        """An arm's runs, failed ones too."""
        return self._runs_by_label[label]

    def done(self, label: str) -> pd.DataFrame:
        """An arm's completed runs."""
        return self._done.get(label, self.runs[:0])

    def scores(self, label: str, measure: Measure) -> Scores:
        """By seed, of the completed runs; empty where it was not measured."""
        if (column := str(measure)) not in self._scores:
            self._scores[column] = {**self._by_seed(column)} if column in self.runs else {}
        return self._scores[column].get(label, {})

    def diverged(self, label: str) -> Collection[int]:
        """The seeds of an arm's runs that diverged."""
        return self._diverged.get(label, frozenset())

    def of_examples(self, expression: Expression) -> Widening | Untold:
        """What examples add to the error of an answer; why nothing is known of it, where nothing is."""
        key = id(expression)  # not all can be hashed; kept beside, so that nothing else gets its id
        if key not in self._widenings:
            self._widenings[key] = expression, self._of_examples(expression)
        return self._widenings[key][1]

    def widened(self, expression: Expression) -> float:
        """How many times as wide as by seeds alone its interval has to be: 1 where it is about the examples tested."""
        known = self.of_examples(expression)
        factor = 1.0 if isinstance(known, Untold) else known.error.factor
        return factor if math.isfinite(factor) else 1.0  # no spread over seeds can be made wider

    def _of_examples(self, expression: Expression) -> Widening | Untold:
        if self.said is None:
            return Untold("only these were asked about")
        try:
            return widening(expression, self.scores, self._run_ids, self.said)
        except Untold as why:
            return why

    def _run_ids(self, label: str) -> Mapping[int, str]:
        return self._ids.get(label, {})

    def _by_seed(self, column: str) -> dict[str, dict[int, Any]]:
        """The values of a column of the completed runs, by label and seed."""
        done = self.runs[self.runs["status"] == "completed"]
        values, seeds = by_label(done, column), by_label(done, "seed")
        return {label: dict(zip(seeds[label], of_arm, strict=True)) for label, of_arm in values.items()}

    @cached_property
    def _ids(self) -> dict[str, dict[int, str]]:
        return self._by_seed("run_id")

    def region(self, measure: Measure) -> float:
        """Half the width of what counts as no difference; what was typed is about the verdict's metric alone."""
        typed = self.rope if self.measure and measure.metric == self.measure.metric else None
        return region(typed, measure, self.done(self.baseline or ""))

    def against(self, measure: Measure) -> Mapping[str, Contrast]:
        """Every other arm minus the baseline, by label, corrected over these arms; empty without a baseline."""
        if self.baseline is None:
            return {}
        if measure not in self._contrasts:
            asked = [Minus(label, self.baseline, measure) for label in self.others]
            region, examples = self.region(measure), self.examples(measure)
            widened, alpha = self.widened, self.alpha
            told = judged(
                asked, self.scores, region, self.diverged, alpha=alpha, widened=widened, examples=lambda _: examples
            )
            self._contrasts[measure] = dict(zip(self.others, told, strict=True))
        return self._contrasts[measure]

    def examples(self, measure: Measure) -> int:
        """How many of them one run's score is a share of; 0 for a score that is none, and where that is not known."""
        column = f"{measure.part}_examples"
        if not measure.is_share_of_examples or column not in self.runs:
            return 0
        known = self.runs[column].dropna()
        return int(known.min()) if len(known) else 0

    @property
    def verdicts(self) -> Mapping[str, Contrast]:
        """The contrasts on the measure that the verdict is about; empty without one, or without a baseline."""
        return self.against(self.measure) if self.measure is not None else {}

    @cached_property
    def compared(self) -> list[Measure]:
        """The measures whose differences are shown: of the leading metrics and the verdict's."""
        metrics = {*LEADING, *([self.measure.metric] if self.measure else []), *(m.metric for m in self.outcomes)}
        return [m for m in self._measured if m.metric in metrics and (m.part != "train" or m == self.measure)]

    @cached_property
    def pairs(self) -> dict[str, int]:
        """How many seeds each other arm shares with the baseline; empty where nothing was measured."""
        main = self._main
        return {} if main is None else {label: c.difference.pairs for label, c in self.against(main).items()}

    @cached_property
    def summaries(self) -> tuple[Summary, ...]:
        """Of each arm, in the table's order."""
        return tuple(summarise(self.runs, self.arms, self._measured, agreements(self.runs, self.labels)))

    @cached_property
    def table(self) -> pd.DataFrame:
        """All of it as one wide frame: see exported.wide."""
        main = self._main
        shown = self.measure is not None and self.baseline is not None
        return wide(
            self.summaries,
            {label: {key: self.runs_of(label)[key].iloc[0] for key in ("model", "data")} for label in self.labels},
            {m: self.against(m) for m in self.compared},
            main,
            self.region(main) if main is not None and shown else None,
            self.outcomes,
        )

    @property
    def _main(self) -> Measure | None:
        return self.measure or next(iter(self.compared), None)

    @cached_property
    def _runs_by_label(self) -> dict[str, pd.DataFrame]:
        return {str(label): rows for label, rows in self.runs.groupby("label")}

    @cached_property
    def _done(self) -> dict[str, pd.DataFrame]:
        return {str(label): rows for label, rows in self.runs[self.runs["status"] == "completed"].groupby("label")}

    @cached_property
    def _diverged(self) -> dict[str, frozenset[int]]:
        return {k: frozenset(v) for k, v in by_label(self.runs[self.runs["status"] == "diverged"], "seed").items()}

    @cached_property
    def _measured(self) -> list[Measure]:
        return self.measures.within(self.runs[self.runs["status"] == "completed"])
