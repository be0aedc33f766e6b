"""Measures of several runs of one arm together, computed from their test predictions when a report asks for them.

| asked for as | meaning | column |
| --- | --- | --- |
| `test_accuracy of 5 runs` | the score of five networks' mean prediction: an ensemble | `test_accuracy_of_5_runs` |
| `churn` | the share of examples that two networks answer differently (Milani Fard et al. 2016) | `test_churn` |

The seeds of all arms are sorted and divided into groups: for ensembles of five, seeds 0 to 4 are the first group and 5 to 9 the
next. The value of a group is stored at its first seed. No run is in two groups, so the values are as independent as the runs,
and the groups have the same seeds in every arm.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from dropbench.errors import UsageError
from dropbench.report.records.measures import PERCENT, Measure, Measures
from dropbench.report.records.said import SCORES, mean_score
from dropbench.store import Measure as Declaration
from dropbench.store.predictions import Predictions, read_predictions
from dropbench.store.safely import Damaged

_ENSEMBLE = r"(?:test[ _-])?(?P<metric>[a-z]+)[ _-]of[ _-](?P<size>\d{1,4})[ _-]runs"
_CHURN = r"(?:test[ _-])?churn"
CHURN = Measure("test", "churn", Declaration("lower", (0.0, 1.0), PERCENT, "0.5pp"))


@dataclass(frozen=True)
class Together:
    """A measure of `size` runs at a time. measure: that of the result. metric: the score of an ensemble, or empty for churn."""

    size: int
    measure: Measure
    metric: str = ""

    def of(self, said: Sequence[Predictions]) -> float:
        """Returns the value for runs with the same test examples. Raises ValueError with half a sentence if it is unknown."""
        if not self.metric:
            return churn(*said)
        value = mean_score(averaged(said), self.metric)
        if value is None:
            raise ValueError(f"the stored predictions do not give the {self.metric}")
        return value

    @property
    def note(self) -> str:
        """A note for the reader on what the numbers mean."""
        what = (
            f"the score of the mean prediction of {self.size} runs, which costs as much as {self.size} runs"
            if self.metric
            else "the share of test examples that two runs answer differently"
        )
        return f"{self.measure.spoken}: {what}. Runs are grouped by seed, in order, and none is in two groups."


def asked(text: str, measures: Measures) -> Together | None:
    """Returns the measure of several runs that a text asks for; None if it asks for another measure.

    Raises UsageError for an ensemble with an unknown metric or fewer than two runs.
    """
    if re.fullmatch(_CHURN, text.strip()) and "churn" not in measures.declared:
        return Together(2, CHURN)
    if (typed := re.fullmatch(_ENSEMBLE, text.strip())) is None:
        return None
    metric, size = typed["metric"], int(typed["size"])
    if metric not in SCORES:
        raise UsageError(
            f"'{text}': the score of an ensemble can be {', '.join(SCORES)}; write 'test_accuracy of {max(size, 2)} runs'"
        )
    if size < 2:
        raise UsageError(f"'{text}': an ensemble needs at least two runs; write 'test_{metric} of 5 runs'")
    score = measures.of("test", metric)
    return Together(size, replace(score, metric=f"{metric}_of_{size}_runs"), metric)


def with_together(frame: pd.DataFrame, histories: Mapping[str, Path], wanted: Together, text: str) -> pd.DataFrame:
    """Adds the measure as a column, with the value of each group at its first seed and NaN elsewhere.

    If a run of a group did not complete, its arm has no value for that group. histories: history.csv by run id; predictions are
    in the same folders. Raises UsageError if there are too few seeds for a group, predictions were not kept, or splits differ.
    """
    seeds = sorted(set(frame["seed"].tolist()))
    groups = [seeds[i : i + wanted.size] for i in range(0, len(seeds) - wanted.size + 1, wanted.size)]
    if not groups:
        raise UsageError(
            f"'{text}' needs {wanted.size} seeds at a time, and there are {len(seeds)} here; train more seeds"
        )
    values: dict[str, float] = {}
    for _, runs in frame[frame["status"] == "completed"].groupby("arm_id"):
        by_seed = dict(zip(runs["seed"].tolist(), runs["run_id"].tolist(), strict=True))
        for group in groups:
            if all(seed in by_seed for seed in group):
                values[by_seed[group[0]]] = _of_group([by_seed[s] for s in group], group, histories, wanted, text)
    return frame.assign(**{str(wanted.measure): [values.get(run, math.nan) for run in frame["run_id"]]})


def averaged(said: Sequence[Predictions]) -> Predictions:
    """Returns the predictions of an ensemble: mean probabilities, or mean errors. Raises ValueError if neither was kept."""
    first = said[0]
    errors = [one.error for one in said if one.error is not None]
    if len(errors) == len(said):
        return replace(first, error=np.mean(errors, axis=0))
    mean = np.mean(_probabilities(said), axis=0)
    logs = np.log(np.maximum(mean, np.finfo(np.float16).tiny)).astype(np.float16)
    return replace(first, right=mean.argmax(1) == first.classes, log_probabilities=logs)


def churn(one: Predictions, other: Predictions) -> float:
    """Returns the share of examples for which two runs predict different classes. Raises ValueError without probabilities."""
    ours, theirs = _probabilities([one, other])
    return float((ours.argmax(1) != theirs.argmax(1)).mean())


def _probabilities(said: Sequence[Predictions]) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    kept = [one.probabilities for one in said]
    if any(one is None for one in kept):
        raise ValueError("runs did not keep the probabilities of each test example; train with eval.keep=probabilities")
    return [one.astype(np.float64) for one in kept if one is not None]


def _of_group(
    runs: Sequence[str], seeds: Sequence[int], histories: Mapping[str, Path], wanted: Together, text: str
) -> float:
    try:
        said = [_said(histories[run].parent) for run in runs]
        for seed, one in zip(seeds, said, strict=True):
            if one.total != said[0].total or not np.array_equal(one.rows, said[0].rows):
                raise ValueError(
                    f"seeds {seeds[0]} and {seed} tested different examples; train with one split for all, data.split_seed=0"
                )
        return wanted.of(said)
    except (ValueError, Damaged) as why:
        raise UsageError(f"'{text}': {why}") from None


def _said(folder: Path) -> Predictions:
    if (said := read_predictions(folder)) is None:
        raise ValueError("runs did not keep their prediction for each test example; train with eval.keep=probabilities")
    return said
