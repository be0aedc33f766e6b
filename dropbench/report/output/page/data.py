"""The data for the page's script: the curves of every seed, or of many seeds their mean and spread, in the unit shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dropbench.report.records.history import Columns, columns
from dropbench.report.records.measures import LEADING, Measure
from dropbench.report.tables.comparison import Comparison

POINTS = 60
"""The most epochs of a curve that are kept, because a screen cannot show more."""
LINES = 16
"""The most seeds of an arm that are drawn one by one. More lines would hide each other: their mean and spread are drawn."""
MIDDLE = (10, 90)
"""The percentiles of the seeds between which a band lies."""


def curves(c: Comparison, histories: Mapping[str, Path]) -> dict[str, Any]:
    """Return the curves of all arms; empty if no run has two epochs.

    Parameters
    ----------
    c : Comparison
        The arms.
    histories : Mapping
        The path of each run's history.csv, by run id.

    Returns
    -------
    dict
        `axis` and `gap`: the titles of the two panels. `runs`: by an arm's number, [{"seed", "epochs", "val", "gap"}] of each
        seed. `bands`: the same for arms of more than LINES seeds, as {"seeds", "epochs", "val", "gap"}, where `val` and `gap`
        are lists of [mean, low, high] in each epoch that all of these seeds have; `gap` may be missing.
    """
    tables = {
        run: columns(histories[run])
        for label in c.labels
        for run in c.runs_of(label)["run_id"].tolist()
        if run in histories
    }
    measure = _drawn(c, list(tables.values()))
    if measure is None:
        return {}
    runs: dict[str, list[dict[str, Any]]] = {}
    bands: dict[str, dict[str, Any]] = {}
    for number, label in enumerate(c.labels, 1):
        if (band := _band([tables.get(run, {}) for run in c.done(label)["run_id"].tolist()], measure)) is not None:
            bands[str(number)] = band
            continue
        rows = c.runs_of(label)
        for run, seed in zip(rows["run_id"].tolist(), rows["seed"].tolist(), strict=True):
            curve = _curve(tables.get(run, {}), measure)
            if curve is not None:
                runs.setdefault(str(number), []).append({"seed": int(seed), **curve})
    unit = measure.points or measure.declared.unit
    gap = f"gap: training minus validation {measure.name}{f', {unit}' if unit else ''}"
    return {"axis": measure.axis, "gap": gap, "runs": runs, "bands": bands} if runs or bands else {}


def _drawn(c: Comparison, tables: Sequence[Columns]) -> Measure | None:
    """Return the validation measure of the verdict's metric, or else of the first leading metric, that a history holds."""
    metrics = dict.fromkeys([*([c.measure.metric] if c.measure else []), *LEADING])
    measures = (c.measures.of("val", metric) for metric in metrics)
    return next((m for m in measures if any(str(m) in t for t in tables)), None)


def _curve(table: Columns, measure: Measure) -> dict[str, list[float]] | None:
    """Return a curve over the evaluated epochs, thinned to about POINTS; None if there are fewer than two."""
    val, train = table.get(str(measure), []), table.get(str(measure.on("train")), [])
    places = [i for i, v in enumerate(val) if _finite(v)]
    if len(places) < 2:
        return None
    kept = _thinned(places)
    scale = measure.scale
    curve = {"epochs": [table["epoch"][i] for i in kept], "val": [_short(scale * val[i]) for i in kept]}
    if train and all(_finite(train[i]) for i in kept):
        curve["gap"] = [_short(scale * (train[i] - val[i])) for i in kept]
    return curve


def _band(tables: Sequence[Columns], measure: Measure) -> dict[str, Any] | None:
    """Return the mean and the middle of the seeds in the epochs that all of them have; None for few seeds or epochs."""
    names = str(measure), str(measure.on("train"))
    have = [t for t in tables if names[0] in t]
    if len(have) <= LINES:
        return None
    parts = [n for n in names if all(n in t for t in have)]
    by_epoch = [{int(e): i for i, e in enumerate(t["epoch"]) if all(_finite(t[n][i]) for n in parts)} for t in have]
    epochs = sorted(set.intersection(*(set(places) for places in by_epoch)))
    if len(epochs) < 2:
        return None
    kept = _thinned(epochs)
    value = {n: np.array([[t[n][at[e]] for e in kept] for t, at in zip(have, by_epoch, strict=True)]) for n in parts}
    told: dict[str, Any] = {"seeds": len(have), "epochs": kept, "val": _middle(measure.scale * value[names[0]])}
    if names[1] in value:
        told["gap"] = _middle(measure.scale * (value[names[1]] - value[names[0]]))
    return told


def _middle(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[list[float]]:
    """Return [mean, low, high] of each column of [seeds, epochs]."""
    low, high = np.percentile(values, MIDDLE, axis=0)
    return [[_short(float(v)) for v in at] for at in zip(values.mean(0), low, high, strict=True)]


def _thinned(places: Sequence[int]) -> list[int]:
    return sorted({*places[:: -(-len(places) // POINTS)], places[-1]})


def _finite(value: float) -> bool:
    return value == value and abs(value) != float("inf")


def _short(value: float) -> float:
    return float(f"{value:.4g}")
