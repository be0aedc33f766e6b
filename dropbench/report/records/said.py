"""Scores of single test examples whose mean is a measure of the run. They are read when they are needed.

Only some measures are means over test examples: accuracy, the loss, the Brier score and the absolute error; the root mean
squared error is one to first order. The name of a metric alone is not trusted: the mean of the examples' scores must equal the
score in the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dropbench.report.records.measures import Measure
from dropbench.report.records.scores import Floats
from dropbench.store.index import Index
from dropbench.store.predictions import Predictions, read_predictions
from dropbench.store.safely import Damaged
from dropbench.store.told import Told, rows_of, scores_of, told_in

ROUNDING, OF_HALF = 1e-6, 2e-3
"""Tolerances for the mean, relative to the mean absolute score of an example: ROUNDING for sums in a different order, OF_HALF
for scores from float16 values."""

_ROOM = 64 << 20
"""Bytes of examples' scores that are kept in memory."""


class Untold(ValueError):
    """Raised if the scores of single examples are unknown. The message is half a sentence that says why."""


@dataclass(frozen=True)
class Examples:
    """One score for each test example of a run.

    total: number of rows of the data set. rows: [m] the numbers of the tested rows, ascending. values: [m] their scores.
    mean: the mean of the values, which is the run's score.
    """

    total: int
    rows: NDArray[np.int64]
    values: Floats
    mean: float


@dataclass
class Said:
    """Reads examples' scores. folders: each run's folder by run id, read once. indexes: indexes to ask first, by run id."""

    folders: Mapping[str, Path]
    indexes: Mapping[str, Index] = field(default_factory=dict)
    _told: dict[str, Told | Untold] = field(default_factory=dict, repr=False)
    _others: dict[tuple[str, str], _Scores | None] = field(default_factory=dict, repr=False)
    _last: dict[tuple[str, str, float], Examples] = field(default_factory=dict, repr=False)
    """The most recently used scores. They are kept because each arm is compared with the same baseline."""
    _room: int = _ROOM
    _rows: dict[tuple[int, bytes], NDArray[np.int64]] = field(default_factory=dict, repr=False)

    def examples(self, run: str, measure: Measure, score: float) -> Examples:
        """Returns the examples' scores for a run and a measure. score: the run's score on it. Raises Untold."""
        if measure.part != "test" or measure.metric not in SCORES:
            raise Untold(f"{measure.spoken} is not a mean over stored predictions")
        known = self._last.pop((run, measure.metric, score), None)
        if known is None:
            known = self._examples(run, measure, score)
            self._room -= known.values.nbytes
        self._last[run, measure.metric, score] = known  # moved to the end: it will be dropped last
        while self._room < 0 and len(self._last) > 1:
            self._room += self._last.pop(next(iter(self._last))).values.nbytes
        return known

    def _examples(self, run: str, measure: Measure, score: float) -> Examples:
        if run not in self._told:
            self._told[run] = self._read(run)
        if isinstance(told := self._told[run], Untold):
            raise told
        if (scores := self._scores(run, told, measure.metric)) is None or not len(scores):
            raise Untold(f"the stored predictions do not hold the {measure.name} of each test example")
        values = scores.astype(float)
        rounding = ROUNDING if scores.dtype == bool else OF_HALF
        mean = values.mean()
        size = mean if scores.dtype == bool else abs(values).mean()
        if not abs(mean - score) <= rounding * size:
            raise Untold(f"the stored predictions do not add up to the {measure.name}")
        key = told.total, told.rows
        if key not in self._rows:
            self._rows[key] = rows_of(told)  # one array for all arms, whose rows are equal
        return Examples(told.total, self._rows[key], values, mean)

    def _read(self, run: str) -> Told | Untold:
        index = self.indexes.get(run)
        try:
            told = None
            if run in self.folders:
                told = told_in(self.folders[run]) if index is None else index.told(self.folders[run])
        except Damaged as error:
            return Untold(str(error))
        return Untold("runs did not keep their prediction for each test example") if told is None else told

    def _scores(self, run: str, told: Told, metric: str) -> _Scores | None:
        if (scores := scores_of(told, metric)) is not None:
            return scores
        if (run, metric) not in self._others:
            try:
                said = read_predictions(self.folders[run])
            except Damaged:  # it was readable before, so it changed since
                said = None
            with np.errstate(all="ignore"):
                self._others[run, metric] = None if said is None else SCORES[metric](said)
        return self._others[run, metric]


_Scores = NDArray[np.bool_] | NDArray[np.float16] | NDArray[np.float32] | NDArray[np.float64]


def _right(said: Predictions) -> _Scores | None:
    return said.right


def _loss(said: Predictions) -> _Scores | None:
    """Returns the squared error, -log of the true class's probability, or the stored loss, whichever was kept."""
    if said.error is not None:
        return _squared(said)
    if said.log_probabilities is None or said.classes is None:
        return said.loss
    of_the_true: NDArray[np.float16] = -said.log_probabilities[np.arange(len(said.rows)), said.classes]
    return of_the_true


def _brier(said: Predictions) -> _Scores | None:
    """Returns the squared distance between the probabilities and the one-hot truth, as the metric `brier` defines it."""
    if (p := said.probabilities) is None or said.classes is None:
        return None
    distance: NDArray[np.float32] = (p**2).sum(1) - 2 * p[np.arange(len(p)), said.classes] + 1
    return distance


def _squared(said: Predictions) -> _Scores | None:
    return None if said.error is None else np.square(said.error)


def _absolute(said: Predictions) -> _Scores | None:
    return None if said.error is None else np.abs(said.error)


def _root(said: Predictions) -> _Scores | None:
    """Returns each example's contribution to the root mean squared error, to first order; their mean is that root."""
    if (squared := _squared(said)) is None or not (root := float(np.sqrt(squared.mean()))):
        return None
    return np.asarray(root + (squared - root**2) / (2 * root), dtype=np.float64)


SCORES: Mapping[str, Callable[[Predictions], _Scores | None]] = {
    "accuracy": _right,
    "loss": _loss,
    "brier": _brier,
    "mae": _absolute,
    "rmse": _root,
}
"""For each metric, a function that returns the examples' scores, or None if the predictions do not hold them."""


def mean_score(said: Predictions, metric: str) -> float | None:
    """Returns the mean score over all examples for a metric of SCORES; None if the predictions do not hold it."""
    scores = SCORES[metric](said)
    return None if scores is None or not len(scores) else float(scores.astype(float).mean())
