"""Measures of how a run got there, made of its history when a report is about them.

| asked for as | is | column |
| --- | --- | --- |
| `epochs to val_accuracy=0.9` | the first epoch whose score is that good | `val_accuracy_epochs` |
| `updates to val_accuracy=0.9` | the updates of the weights until its end | `val_accuracy_updates` |
| `area under val_loss` | the mean height of the curve | `val_area_under_loss` |
| `train_loss at epoch 3` | the value at that epoch | `train_loss_at_epoch_3` |
| `jump of train_loss at epoch 30` | that less the value at the epoch before | `train_jump_of_loss_at_epoch_30` |
| `roughness of val_loss` | the mean size of its second differences: 0 of a straight line | `val_roughness_of_loss` |

Scores are those of whole epochs, noise off; `grad_norm` is of the updates of an epoch.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from dropbench.errors import UsageError, nearest
from dropbench.report.records import together
from dropbench.report.records.history import evaluated
from dropbench.report.records.measures import Measure, Measures
from dropbench.store import Measure as Declaration
from dropbench.values import count

Kind = Literal["first", "area", "at", "jump", "roughness"]
_FORMS: Mapping[Kind, str] = {
    "first": r"(?P<unit>epochs|updates)[ _-]to[ _-](?P<score>\w+?) *(?:>=|<=|=) *(?P<threshold>[^ ]+)",
    "area": r"area[ _-]under[ _-](?P<score>\w+)",
    "jump": r"jump[ _-]of[ _-](?P<score>\w+?)[ _-]at[ _-]epoch[ _-](?P<epoch>[1-9]\d{0,8})",
    "roughness": r"roughness[ _-]of[ _-](?P<score>\w+)",
    "at": r"(?P<score>\w+?)[ _-]at[ _-]epoch[ _-](?P<epoch>[1-9]\d{0,8})",
}
_WRITE = "'epochs to val_accuracy=0.9', 'updates to val_accuracy=0.9', 'area under val_loss', 'train_loss at epoch 3', \
'jump of train_loss at epoch 30' or 'roughness of val_loss'"
_COLUMN = {"epochs": "epoch", "updates": "updates"}
"""Of histories, by what is counted."""
_OF_UPDATES = ("grad_norm",)
"""Columns of histories that are of no part of the data."""
EPOCHS = Measure("val", "epochs", Declaration("lower", unit="epochs"))
"""How many epochs it takes to a validation score, whatever that is."""
Curve = Sequence[tuple[int, float]]
"""(epoch or updates so far, score), in order; only epochs that were evaluated."""


@dataclass(frozen=True)
class Convergence:
    """What is asked of a curve.

    Parameters
    ----------
    kind : {"first", "area", "at", "jump", "roughness"}
        Which of the forms.
    score : Measure
        Of the curve.
    column : str
        Of histories, that has it.
    threshold : float or None
        The score to reach, of `first` alone.
    unit : str
        What to count until then, epochs or updates.
    epoch : int
        Of `at` and `jump`, from 1.
    """

    kind: Kind
    score: Measure
    column: str
    threshold: float | None = None
    unit: str = "epochs"
    epoch: int = 0

    @property
    def measure(self) -> Measure:
        """What the answer is: less is better of what is counted; all else is in the score's own unit."""
        score, name = self.score, self.score.metric
        if self.kind == "first":
            return Measure(score.part, f"{name}_{self.unit}", Declaration("lower", unit=self.unit))
        if self.kind == "area":
            return replace(score, metric=f"area_under_{name}")
        if self.kind == "at":
            return replace(score, metric=f"{name}_at_epoch_{self.epoch}")
        signed, size = (None, None), (0.0, None)
        if self.kind == "jump":
            return replace(
                score, metric=f"jump_of_{name}_at_epoch_{self.epoch}", declared=replace(score.declared, range=signed)
            )
        declared = replace(score.declared, direction="neither", range=size)
        return replace(score, metric=f"roughness_of_{name}", declared=declared)

    def of(self, curve: Curve) -> float:
        """NaN without what it takes of a curve; for a score that is never reached, infinity."""
        if self.threshold is not None:
            return first_at(curve, self.threshold, self.score.direction)
        if self.kind == "area":
            return area(curve)
        if self.kind == "roughness":
            return roughness(curve)
        known = dict(curve)
        value = known.get(self.epoch, math.nan)
        return value if self.kind == "at" else value - known.get(self.epoch - 1, math.nan)


def asked(metric: str | None, measures: Measures) -> Convergence | None:
    """What a `--metric` asks of histories; None where it is another measure.

    Raises UsageError for one that opens like these and goes on otherwise.
    """
    if metric is None or not re.match(r"(epochs|updates|area|jump|roughness)[ _-]|\w+?[ _-]at[ _-]epoch[ _-]", metric):
        return None
    read = ((kind, re.fullmatch(form, metric.strip())) for kind, form in _FORMS.items())
    kind, typed = next(((kind, found) for kind, found in read if found), (None, None))
    if kind is None or typed is None:
        raise UsageError(f"'{metric}': write {_WRITE}")
    column = typed["score"]
    score = Measure("train", column, Declaration(range=(0.0, None))) if column in _OF_UPDATES else measures.read(column)
    if score.part not in ("train", "val", "gap") or (score.part == "gap" and kind in ("first", "area")):
        raise UsageError(f"'{metric}': histories have train_ and val_ scores; write {_WRITE}")
    found = Convergence(kind, score, column)
    if kind in ("at", "jump"):
        return replace(found, epoch=int(typed["epoch"]))
    return (
        replace(found, threshold=_number(metric, typed["threshold"]), unit=typed["unit"]) if kind == "first" else found
    )


def _number(metric: str, threshold: str) -> float:
    try:
        value = float(threshold.removesuffix("%")) / (100 if threshold.endswith("%") else 1)
        if math.isfinite(value):
            return value
    except ValueError:
        pass
    raise UsageError(f"'{metric}': '{threshold}' is not a number; write {_WRITE}")


def with_convergence(
    frame: pd.DataFrame, measures: Measures, histories: Mapping[str, Path], metric: str | None
) -> tuple[pd.DataFrame, Measures, str | None, list[str]]:
    """The frame with what `metric` asks of histories or of runs together as a column, its declaration, its name, and notes.

    histories: history.csv by run id. Another metric comes back as it is. Raises UsageError where no history
    has the score, and where it is not known which way it is better.
    """
    if metric is None:
        return frame, measures, metric, []
    if (group := together.asked(metric, measures)) is not None:
        measure, notes = group.measure, [group.note]
        frame = together.with_together(frame, histories, group, metric)
    elif (wanted := asked(metric, measures)) is not None:
        values, measure = _values(frame, histories, wanted, metric), wanted.measure
        frame = frame.assign(**{str(measure): [values.get(run, math.nan) for run in frame["run_id"]]})
        notes = _notes(wanted, list(values.values()))
    else:
        return frame, measures, metric, []
    declared = replace(measures, declared={**measures.declared, measure.metric: measure.declared})
    return frame, declared, str(measure), notes


def in_words(
    frame: pd.DataFrame, measures: Measures, histories: Mapping[str, Path], asked_for: Iterable[str]
) -> tuple[pd.DataFrame, dict[str, Measure]]:
    """The frame with a column for each of several measures that are asked for so, and these by how they are asked for.

    What asks for a measure of another kind is passed over. Raises UsageError as `with_convergence` does.
    """
    known: dict[str, Measure] = {}
    for text in asked_for:
        if (group := together.asked(text, measures)) is not None:
            frame, known[text] = together.with_together(frame, histories, group, text), group.measure
            continue
        if (wanted := asked(text, measures)) is None:
            continue
        values, measure = _values(frame, histories, wanted, text), wanted.measure
        if wanted.kind == "first":  # two thresholds are two columns
            measure = replace(measure, metric=f"{measure.metric}={wanted.threshold:g}")
        frame = frame.assign(**{str(measure): [values.get(run, math.nan) for run in frame["run_id"]]})
        known[text] = measure
    return frame, known


def _values(frame: pd.DataFrame, histories: Mapping[str, Path], wanted: Convergence, metric: str) -> dict[str, float]:
    """By run id, of those that completed."""
    score = wanted.column
    completed = [run for run, status in zip(frame["run_id"], frame["status"], strict=True) if status == "completed"]
    curves = {run: evaluated(histories[run], score, _COLUMN[wanted.unit]) for run in completed}
    if completed and not any(curves.values()):
        if wanted.unit == "updates" and any(evaluated(histories[run], score) for run in completed):
            raise UsageError(f"'{metric}': these runs were made before updates were counted; write 'epochs to'")
        scores = sorted({c for c in frame.columns if c.startswith(("train_", "val_")) and not c.endswith("_examples")})
        raise UsageError(f"'{metric}': no history has {score}; {nearest(score, scores)}")
    if wanted.kind == "first" and not wanted.score.direction:
        raise UsageError(f"'{metric}': it is not known whether higher or lower {score} is better; write {_WRITE}")
    return {run: wanted.of(curve) for run, curve in curves.items()}


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


def roughness(curve: Curve) -> float:
    """The mean of |y(t+1) - 2 y(t) + y(t-1)| over epochs in a row: 0 of a straight line.

    NaN where no three follow each other.
    """
    rows = list(zip(curve, curve[1:], curve[2:], strict=False))
    bends = [abs(c - 2 * b + a) for (s, a), (_, b), (t, c) in rows if t == s + 2]
    return sum(bends) / len(bends) if bends else math.nan


def _notes(wanted: Convergence, values: Sequence[float]) -> list[str]:
    score = wanted.column
    if wanted.kind == "area":
        return ["The area under a curve is its mean height, by trapezoids, from the first evaluated epoch to the last."]
    if wanted.kind == "roughness":
        return [f"The roughness of {score} is the mean size of its second differences from epoch to epoch."]
    if wanted.kind == "jump":
        return [f"{score} at the end of epoch {wanted.epoch} minus the same at the end of the epoch before."]
    if wanted.kind == "at":
        return [f"{score} at the end of epoch {wanted.epoch}."]
    never = sum(map(math.isinf, values))
    first = f"the first evaluated epoch with {score} of {wanted.threshold:g} or better"
    said = f"{wanted.measure}: {'updates of the weights until the end of ' if wanted.unit == 'updates' else ''}{first}."
    if not never:
        return [said]
    runs = count(never, "run")
    return [f"{said} {runs} of {len(values)} never got there: they count as slowest, by rank; medians are in --wide."]
