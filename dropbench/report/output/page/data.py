"""The data for the page's script: the curves of every seed, as numbers in the unit shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dropbench.report.records.history import Columns, columns
from dropbench.report.records.measures import LEADING, Measure
from dropbench.report.tables.comparison import Comparison

POINTS = 60
"""The most epochs of a curve that are kept, because a screen cannot show more."""


def curves(c: Comparison, histories: Mapping[str, Path]) -> dict[str, Any]:
    """Return {"axis", "gap", "runs": {an arm's number: [{"seed", "epochs", "val", "gap"}]}}; empty if no run has two epochs."""
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
    for number, label in enumerate(c.labels, 1):
        rows = c.runs_of(label)
        for run, seed in zip(rows["run_id"].tolist(), rows["seed"].tolist(), strict=True):
            curve = _curve(tables.get(run, {}), measure)
            if curve is not None:
                runs.setdefault(str(number), []).append({"seed": int(seed), **curve})
    unit = measure.points or measure.declared.unit
    gap = f"gap: training minus validation {measure.name}{f', {unit}' if unit else ''}"
    return {"axis": measure.axis, "gap": gap, "runs": runs} if runs else {}


def _drawn(c: Comparison, tables: Sequence[Columns]) -> Measure | None:
    """Return the validation measure of the verdict's metric, or else of the first leading metric, that a history holds."""
    metrics = dict.fromkeys([*([c.measure.metric] if c.measure else []), *LEADING])
    measures = (c.measures.of("val", metric) for metric in metrics)
    return next((m for m in measures if any(str(m) in t for t in tables)), None)


def _curve(table: Columns, measure: Measure) -> dict[str, list[float]] | None:
    """Return a curve over the evaluated epochs, thinned to about POINTS; None if there are fewer than two."""
    val, train = table.get(str(measure), []), table.get(str(measure.on("train")), [])
    places = [i for i, v in enumerate(val) if v == v and abs(v) != float("inf")]
    if len(places) < 2:
        return None
    step = -(-len(places) // POINTS)
    kept = sorted({*places[::step], places[-1]})
    scale = measure.scale
    curve = {"epochs": [table["epoch"][i] for i in kept], "val": [_short(scale * val[i]) for i in kept]}
    if train and all(train[i] == train[i] and abs(train[i]) != float("inf") for i in kept):
        curve["gap"] = [_short(scale * (train[i] - val[i])) for i in kept]
    return curve


def _short(value: float) -> float:
    return float(f"{value:.4g}")
