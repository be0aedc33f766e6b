"""A comparison of arms and everything computed from it; each value is computed once."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
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
from dropbench.report.tables.arms import NONE, Arm
from dropbench.report.tables.attribution_agreement import agreements
from dropbench.report.tables.exported import wide
from dropbench.report.tables.selection import Choice
from dropbench.report.tables.summary import Summary, summarise
from dropbench.store import Tuned

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """Runs to add: a complete configuration and the seeds to train it under."""

    config: Config
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Diagnosis:
    """The finding of one diagnostic rule about a comparison.

    Parameters
    ----------
    rule : str
        The rule's name in docs/diagnosis.md.
    arms : tuple
        Labels of the arms that it is about.
    says, advice : str
        The evidence, and what to try.
    buys : str
        A sentence on what the proposed runs would show; empty if none are proposed.
    steps : tuple
        The proposed runs, if any.
    commands : tuple
        The commands that train these runs, if they were written.
    options : tuple
        Instead of steps: options to add when the sweep of the whole comparison is typed again, such as `--tune` and its values.
    confirm : bool
        Whether `report --confirm` trains the steps.
    """

    rule: str
    arms: tuple[str, ...]
    says: str
    advice: str
    steps: tuple[Step, ...] = ()
    buys: str = ""
    commands: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    confirm: bool = False


@dataclass(frozen=True)
class Comparison:
    """A comparison of the arms of a study, or of arms that differ only in regularizers.

    Parameters
    ----------
    runs : DataFrame
        One row per run, with the `label` of its arm; an arm has one run per seed.
    baseline : str or None
        The label of the baseline; None if it is not among the arms.
    measure : Measure or None
        The measure of the verdict; None if these runs have none.
    measures : Measures
        The declarations of the runs' metrics.
    rope : str or None
        The region of equivalence for that measure's metric, as typed; None for the metric's default.
    alpha : float
        The probability that any of the intervals on one measure misses its true value.
    outcomes : tuple
        Measures named in advance, the verdict's first, which share the error rate; empty if none were named.
    choices : tuple
        The choices of strengths.
    tuned : tuple
        For arms that were tuned, how their settings were found.
    notes, brief : tuple
        What a reader must know beside the numbers, in full and in short; warnings are in both.
    diagnosis : tuple or None
        What the comparison means for the next run; None if it was not requested.
    further : tuple of Diagnosis
        Weaknesses of the sweep itself that limit its conclusions, and the options that avoid them.
    answers : tuple of Answer
        The answers to the contrasts that its study names.
    said : Said or None
        The stored predictions for test examples, with which results hold for new examples like these; None if results are to
        hold for the tested examples only.
    fresh : bool
        Whether its arms were chosen by another comparison, and trained again under seeds that had no part in the choice.
    repeats : tuple of Comparison
        The comparisons of its chosen arms under fresh seeds, oldest first.
    explained : tuple
        The rows of the tables explained in plain words, if requested.
    typed : Mapping
        By an arm's label, the command that runs it again, if requested and possible.
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
    fresh: bool = False
    repeats: tuple[Comparison, ...] = ()
    explained: tuple[tuple[str, str], ...] = ()
    typed: Mapping[str, str] = field(default_factory=dict)
    _widenings: dict[int, tuple[Expression, Widening | Untold]] = field(default_factory=dict, repr=False)
    _scores: dict[str, Mapping[str, Scores]] = field(default_factory=dict, repr=False)
    _contrasts: dict[Measure, dict[str, Contrast]] = field(default_factory=dict, repr=False)

    @property
    def labels(self) -> list[str]:
        """The labels of all arms, in the table's order."""
        return [a.label for a in self.arms]

    @property
    def base(self) -> str:
        """The baseline in a sentence: `no dropout` for `none`, which would be read as "not one", else its label."""
        idle = [a.label for a in self.arms if a.dropout == NONE]
        return "no dropout" if self.baseline == NONE and idle == [NONE] else str(self.baseline)

    @property
    def others(self) -> list[str]:
        """The labels of all arms but the baseline."""
        return [label for label in self.labels if label != self.baseline]

    def run_of(self, label: str) -> str:
        """Return the id of one of an arm's runs."""
        return str(self.runs_of(label)["run_id"].iloc[0])

    def runs_of(self, label: str) -> pd.DataFrame:
        """Return an arm's runs, including failed ones."""
        return self._runs_by_label[label]

    def done(self, label: str) -> pd.DataFrame:
        """Return an arm's completed runs."""
        return self._done.get(label, self.runs[:0])

    def scores(self, label: str, measure: Measure) -> Scores:
        """Return the scores of an arm's completed runs by seed; empty if the measure was not recorded."""
        if (column := str(measure)) not in self._scores:
            self._scores[column] = {**self._by_seed(column)} if column in self.runs else {}
        return self._scores[column].get(label, {})

    def diverged(self, label: str) -> Collection[int]:
        """Return the seeds of an arm's runs that diverged."""
        return self._diverged.get(label, frozenset())

    def of_examples(self, expression: Expression) -> Widening | Untold:
        """Return the standard errors over test examples of an expression, or the reason why they are unknown."""
        key = id(expression)  # not all can be hashed; the expression is stored too, so that its id is not reused
        if key not in self._widenings:
            self._widenings[key] = expression, self._of_examples(expression)
        return self._widenings[key][1]

    def widened(self, expression: Expression) -> float:
        """Return how many times wider than by seeds alone the interval has to be; 1 if it is about the tested examples only."""
        known = self.of_examples(expression)
        factor = 1.0 if isinstance(known, Untold) else known.error.factor
        return factor if math.isfinite(factor) else 1.0  # a spread of 0 over seeds cannot be widened

    def _of_examples(self, expression: Expression) -> Widening | Untold:
        if self.said is None:
            return Untold("only these test examples were asked about")
        try:
            return widening(expression, self.scores, self._run_ids, self.said)
        except Untold as why:
            return why

    def _run_ids(self, label: str) -> Mapping[int, str]:
        return self._ids.get(label, {})

    def _by_seed(self, column: str) -> dict[str, dict[int, Any]]:
        """Return the values of a column of the completed runs, by label and seed."""
        done = self.runs[self.runs["status"] == "completed"]
        values, seeds = by_label(done, column), by_label(done, "seed")
        return {label: dict(zip(seeds[label], of_arm, strict=True)) for label, of_arm in values.items()}

    @cached_property
    def _ids(self) -> dict[str, dict[int, str]]:
        return self._by_seed("run_id")

    def region(self, measure: Measure) -> float:
        """Return half the width of the region of equivalence; the typed --rope applies to the verdict's metric only."""
        typed = self.rope if self.measure and measure.metric == self.measure.metric else None
        return region(typed, measure, self.done(self.baseline or ""))

    def against(self, measure: Measure) -> Mapping[str, Contrast]:
        """Return every other arm minus the baseline, by label, corrected over these arms; empty without a baseline."""
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

    def at(self, alpha: float) -> Comparison:
        """Return the same comparison at another error rate, with verdicts and intervals of its own."""
        return replace(self, alpha=alpha, _contrasts={})

    def examples(self, measure: Measure) -> int:
        """Return the number of examples of which one run's score is a share; 0 if it is no such share, or if it is unknown."""
        column = f"{measure.part}_examples"
        if not measure.is_share_of_examples or column not in self.runs:
            return 0
        known = self.runs[column].dropna()
        return int(known.min()) if len(known) else 0

    @property
    def verdicts(self) -> Mapping[str, Contrast]:
        """The contrasts on the measure of the verdict; empty without such a measure, or without a baseline."""
        return self.against(self.measure) if self.measure is not None else {}

    @cached_property
    def compared(self) -> list[Measure]:
        """The measures whose differences are shown: those of the leading metrics, the verdict's and the outcomes'."""
        metrics = {*LEADING, *([self.measure.metric] if self.measure else []), *(m.metric for m in self.outcomes)}
        return [m for m in self.measured if m.metric in metrics and (m.part != "train" or m == self.measure)]

    @cached_property
    def pairs(self) -> dict[str, int]:
        """The number of seeds that each other arm shares with the baseline; empty if nothing was measured."""
        main = self._main
        return {} if main is None else {label: c.difference.pairs for label, c in self.against(main).items()}

    @cached_property
    def summaries(self) -> tuple[Summary, ...]:
        """The summaries of the arms, in the table's order."""
        return tuple(summarise(self.runs, self.arms, self.measured, agreements(self.runs, self.labels)))

    @cached_property
    def table(self) -> pd.DataFrame:
        """The whole comparison as one wide frame: see exported.wide."""
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
    def measured(self) -> list[Measure]:
        """Everything that the completed runs measured, the leading metrics first."""
        return self.measures.within(self.runs[self.runs["status"] == "completed"])
