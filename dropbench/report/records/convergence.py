"""Measures of a run's convergence, computed from its history when a report asks for them.

| asked for as | meaning | column |
| --- | --- | --- |
| `epochs to val_accuracy=0.9` | the first epoch with a score at least that good | `val_accuracy_epochs` |
| `updates to val_accuracy=0.9` | the number of weight updates until the end of that epoch | `val_accuracy_updates` |
| `area under val_loss` | the mean height of the curve | `val_area_under_loss` |
| `train_loss at epoch 3` | the value at that epoch | `train_loss_at_epoch_3` |
| `jump of train_loss at epoch 30` | the value at that epoch minus that at the epoch before | `train_jump_of_loss_at_epoch_30` |
| `roughness of val_loss` | the mean absolute second difference: 0 for a straight line | `val_roughness_of_loss` |

Scores are computed at the end of an epoch with the noise off; `grad_norm` is averaged over the updates of an epoch.
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
"""The column of a history that holds the count, by its unit."""
_OF_UPDATES = ("grad_norm",)
"""Columns of histories that belong to no part of the data; they describe the training updates."""
EPOCHS = Measure("val", "epochs", Declaration("lower", unit="epochs"))
"""The number of epochs until any validation score is reached."""
Curve = Sequence[tuple[int, float]]
"""(epoch or number of updates so far, score), in order; only for epochs that were evaluated."""


@dataclass(frozen=True)
class Convergence:
    """A measure to compute from a curve.

    Parameters
    ----------
    kind : {"first", "area", "at", "jump", "roughness"}
        Which measure: see the module's table.
    score : Measure
        The score that the curve shows.
    column : str
        The column of a history that holds the score.
    threshold : float or None
        For `first` only: the score to reach.
    unit : str
        For `first`: whether epochs or updates are counted.
    epoch : int
        For `at` and `jump`: the epoch, from 1.
    """

    kind: Kind
    score: Measure
    column: str
    threshold: float | None = None
    unit: str = "epochs"
    epoch: int = 0

    @property
    def measure(self) -> Measure:
        """The measure of the result. For counts, lower is better; every other result has the score's unit."""
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
        """Returns the value for a curve: NaN if it lacks the needed epochs, infinity if the threshold is never reached."""
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
    """Returns the measure that a `--metric` asks for, if it is computed from histories; otherwise None.

    Raises UsageError if it begins like one of these measures but is not written correctly.
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
        raise UsageError(f"'{metric}': only train_ and val_ scores are stored for each epoch; write {_WRITE}")
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
    """Adds a column for a metric that is computed from histories or from several runs together.

    Returns the frame, the measures including the new one, its column's name, and notes for the reader. With any other metric
    the arguments are returned unchanged, without notes. histories: history.csv by run id. Raises UsageError if no history has
    the score, or if a threshold is asked for and it is not known whether higher or lower is better.
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
    """Adds a column for each text that asks for such a measure, and returns the frame and the measures by text.

    Texts that ask for other measures are ignored. Raises UsageError as `with_convergence` does.
    """
    known: dict[str, Measure] = {}
    for text in asked_for:
        if (group := together.asked(text, measures)) is not None:
            frame, known[text] = together.with_together(frame, histories, group, text), group.measure
            continue
        if (wanted := asked(text, measures)) is None:
            continue
        values, measure = _values(frame, histories, wanted, text), wanted.measure
        if wanted.kind == "first":  # so that two thresholds give two columns
            measure = replace(measure, metric=f"{measure.metric}={wanted.threshold:g}")
        frame = frame.assign(**{str(measure): [values.get(run, math.nan) for run in frame["run_id"]]})
        known[text] = measure
    return frame, known


def _values(frame: pd.DataFrame, histories: Mapping[str, Path], wanted: Convergence, metric: str) -> dict[str, float]:
    """Returns the values of completed runs, by run id."""
    score = wanted.column
    completed = [run for run, status in zip(frame["run_id"], frame["status"], strict=True) if status == "completed"]
    curves = {run: evaluated(histories[run], score, _COLUMN[wanted.unit]) for run in completed}
    if completed and not any(curves.values()):
        if wanted.unit == "updates" and any(evaluated(histories[run], score) for run in completed):
            raise UsageError(
                f"'{metric}': an older dropbench, which did not count updates, made these runs; write 'epochs to' instead"
            )
        scores = sorted({c for c in frame.columns if c.startswith(("train_", "val_")) and not c.endswith("_examples")})
        raise UsageError(f"'{metric}': no history has {score}; {nearest(score, scores)}")
    if wanted.kind == "first" and not wanted.score.direction:
        raise UsageError(f"'{metric}': it is not known whether higher or lower {score} is better; write {_WRITE}")
    return {run: wanted.of(curve) for run, curve in curves.items()}


def first_at(curve: Curve, threshold: float, sign: int) -> float:
    """Returns the epoch (from 1) or number of updates at which the score is first at least as good as `threshold`.

    It is infinity if that never happens, and NaN for an empty curve. sign: 1 if higher is better, -1 if lower is.
    """
    if not curve:
        return math.nan
    return float(next((at for at, score in curve if sign * score >= sign * threshold), math.inf))


def area(curve: Curve) -> float:
    """Returns the curve's mean height, in the score's unit: its area by the trapezoidal rule, divided by its length in epochs.

    So a run that stopped early can be compared with one that did not. With a single epoch it is that score; with none, NaN.
    """
    if len(curve) < 2:
        return curve[0][1] if curve else math.nan
    whole = sum((b - a) * (y + z) / 2 for (a, y), (b, z) in itertools.pairwise(curve))
    return whole / (curve[-1][0] - curve[0][0])


def roughness(curve: Curve) -> float:
    """Returns the mean of |y(t+1) - 2 y(t) + y(t-1)| over all three consecutive epochs: 0 for a straight line.

    It is NaN if there are no three consecutive epochs.
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
    return [f"{said} {runs} of {len(values)} never reached it; they are ranked as slowest. --wide shows medians."]
