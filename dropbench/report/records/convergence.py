"""Measures of how a run got there, made of its history when a report is about them.

`--metric 'epochs to val_accuracy=0.9'` is the first epoch whose score is that good, as `val_accuracy_epochs`; `updates to` the
updates of the weights until that epoch's end, as `val_accuracy_updates`, which compares batch sizes; `--metric 'area under
val_loss'` the mean height of the curve, as `val_area_under_loss`. Scores are those of whole epochs, noise off.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from dropbench.errors import UsageError, nearest
from dropbench.report.records.history import evaluated
from dropbench.report.records.measures import Measure, Measures
from dropbench.store import Measure as Declaration
from dropbench.values import count

_FIRST = re.compile(r"(?P<unit>epochs|updates)[ _-]to[ _-](?P<score>\w+?) *(?:>=|<=|=) *(?P<threshold>[^ ]+)")
_AREA = re.compile(r"area[ _-]under[ _-](?P<score>\w+)")
_FORMS = "'epochs to val_accuracy=0.9', 'updates to val_accuracy=0.9' or 'area under val_loss'"
_COLUMN = {"epochs": "epoch", "updates": "updates"}
"""Of histories, by what is counted."""
EPOCHS = Measure("val", "epochs", Declaration("lower", unit="epochs"))
"""How many epochs it takes to a validation score, whatever that is."""
Curve = Sequence[tuple[int, float]]
"""(epoch or updates so far, score), in order; only epochs that were evaluated."""


@dataclass(frozen=True)
class Convergence:
    """What is asked of a curve.

    Parameters
    ----------
    score : Measure
        Of the curve: a column of histories.
    threshold : float or None
        The score to reach; None asks for the area under the curve.
    unit : str
        What to count until then, epochs or updates.
    """

    score: Measure
    threshold: float | None
    unit: str = "epochs"

    @property
    def measure(self) -> Measure:
        """What the answer is: less is better of what is counted; an area is in the score's own unit."""
        if self.threshold is None:
            return replace(self.score, metric=f"area_under_{self.score.metric}")
        return Measure(self.score.part, f"{self.score.metric}_{self.unit}", Declaration("lower", unit=self.unit))

    def of(self, curve: Curve) -> float:
        """NaN without a curve; for a score that is never reached, infinity."""
        if self.threshold is None:
            return area(curve)
        return first_at(curve, self.threshold, self.score.direction)


def asked(metric: str | None, measures: Measures) -> Convergence | None:
    """What a `--metric` asks of histories; None where it is another measure.

    Raises UsageError for one that opens like these and goes on otherwise.
    """
    if metric is None or not re.match(r"(epochs|updates|area)[ _-]", metric):
        return None
    typed = _FIRST.fullmatch(metric.strip()) or _AREA.fullmatch(metric.strip())
    if typed is None:
        raise UsageError(f"--metric '{metric}': write {_FORMS}")
    score, threshold = measures.read(typed["score"]), typed.groupdict().get("threshold")
    if score.part not in ("train", "val"):
        raise UsageError(f"--metric '{metric}': histories have train_ and val_ scores; write {_FORMS}")
    if threshold is None:
        return Convergence(score, None)
    try:
        value = float(threshold.removesuffix("%")) / (100 if threshold.endswith("%") else 1)
        if not math.isfinite(value):
            raise ValueError
    except ValueError as error:
        raise UsageError(f"--metric '{metric}': '{threshold}' is no number; write {_FORMS}") from error
    return Convergence(score, value, typed["unit"])


def with_convergence(
    frame: pd.DataFrame, measures: Measures, histories: Mapping[str, Path], metric: str | None
) -> tuple[pd.DataFrame, Measures, str | None, list[str]]:
    """The frame with what `metric` asks of histories as a column, its declaration, its name, and what to know of it.

    histories: history.csv by run id. Another metric comes back as it is. Raises UsageError where no history
    has the score, and where it is not known which way it is better.
    """
    wanted = asked(metric, measures)
    if wanted is None:
        return frame, measures, metric, []
    score, measure = str(wanted.score), wanted.measure
    completed = [run for run, status in zip(frame["run_id"], frame["status"], strict=True) if status == "completed"]
    curves = {run: evaluated(histories[run], score, _COLUMN[wanted.unit]) for run in completed}
    if completed and not any(curves.values()):
        if wanted.unit == "updates" and any(evaluated(histories[run], score) for run in completed):
            raise UsageError(
                f"--metric '{metric}': these runs are from before updates were counted; ask for 'epochs to'"
            )
        scores = sorted({c for c in frame.columns if c.startswith(("train_", "val_")) and not c.endswith("_examples")})
        raise UsageError(f"--metric '{metric}': no history has {score}; {nearest(score, scores)}")
    if wanted.threshold is not None and not wanted.score.direction:
        raise UsageError(f"--metric '{metric}': it is not known whether {score} is better high or low; write {_FORMS}")
    values = {run: wanted.of(curve) for run, curve in curves.items()}
    column = [values.get(run, math.nan) for run in frame["run_id"]]
    declared = replace(measures, declared={**measures.declared, measure.metric: measure.declared})
    return frame.assign(**{str(measure): column}), declared, str(measure), _notes(wanted, list(values.values()))


def first_at(curve: Curve, threshold: float, sign: int) -> float:
    """Where, in epochs from 1 or in updates, a score is first as good as `threshold`; infinity if none is, NaN without any.

    sign: 1 where higher is better, -1 where lower is.
    """
    if not curve:
        return math.nan
    return float(next((at for at, score in curve if sign * score >= sign * threshold), math.inf))


def area(curve: Curve) -> float:
    """The area under the curve by trapezoids, over the epochs between its ends: its mean height, in the score's own unit.

    So a run that stopped early compares with one that did not. Of a single epoch its score; NaN without any.
    """
    if len(curve) < 2:
        return curve[0][1] if curve else math.nan
    whole = sum((b - a) * (y + z) / 2 for (a, y), (b, z) in itertools.pairwise(curve))
    return whole / (curve[-1][0] - curve[0][0])


def _notes(wanted: Convergence, values: Sequence[float]) -> list[str]:
    if wanted.threshold is None:
        return ["The area under a curve is its mean height, by trapezoids, from the first evaluated epoch to the last."]
    never = sum(map(math.isinf, values))
    first = f"the first evaluated epoch with {wanted.score} of {wanted.threshold:g} or better"
    said = f"{wanted.measure}: {'updates of the weights until the end of ' if wanted.unit == 'updates' else ''}{first}."
    if not never:
        return [said]
    runs = count(never, "run")
    return [f"{said} {runs} of {len(values)} never got there: they count as slowest, by rank; medians are in --wide."]
