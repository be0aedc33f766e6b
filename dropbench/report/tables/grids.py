"""Pivot tables: a measure over one or two configuration keys, as in `--rows dropout.rate --cols model`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dropbench.errors import UsageError
from dropbench.report.records.filters import ABSENT, column_of
from dropbench.report.records.frame import rows_of, setting_keys
from dropbench.report.records.measures import Measure, Measures
from dropbench.report.statistics import moments
from dropbench.report.tables.arms import BESIDE, own_rate
from dropbench.report.tables.notes.runs import mixed
from dropbench.report.tables.shown_values import shown
from dropbench.values import order


@dataclass(frozen=True)
class Grid:
    """One pivot table.

    rows, cols: the keys; if cols is None, there is a single column with the measure's name. table: one row per cell, in display
    order, with the columns row, column (texts), n, mean, sd (ddof 1) and median of the measure.
    """

    title: str
    measure: Measure
    rows: str
    cols: str | None
    table: pd.DataFrame
    notes: tuple[str, ...]


def grids(frame: pd.DataFrame, measures: Measures, rows: str, cols: str | None, metric: str | None) -> list[Grid]:
    """Return one grid for each setting of the other keys that vary, so that only runs that differ in the seed are averaged.

    Raises UsageError for an unknown key or metric, or if nothing was measured.
    """
    measure = measures.resolve(frame, metric)
    if measure is None:
        raise UsageError("no run here has completed, so there is nothing to show by rows and columns")
    axes = [column_of(frame, key) for key in (rows, cols) if key is not None]
    done = frame[(frame["status"] == "completed") & frame[str(measure)].notna()]
    texts = {k: [shown(v) or ABSENT for v in done[k].tolist()] for k in {*axes, *setting_keys(done)}}
    for key in axes:
        texts[key] = [own_rate(row, key) or text for row, text in zip(rows_of(done), texts[key], strict=True)]
    keys = _apart(texts, axes)
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, group in enumerate(zip(*(texts[k] for k in keys), strict=True) if keys else [()] * len(done)):
        groups.setdefault(group, []).append(i)
    tables: list[Grid] = []
    for group, places in sorted(groups.items(), key=lambda item: [order(v) for v in item[0]]):
        part = done.iloc[places]
        values = [[texts[k][i] for i in places] for k in axes]
        table = _table(part[str(measure)], values[0], values[1] if cols else [measure.spoken] * len(places))
        title = ", ".join([measure.spoken, *(f"{_short(k)}={v}" for k, v in zip(keys, group, strict=True))])
        tables.append(Grid(title, measure, rows, cols, table, tuple(_notes(frame, part, table, not tables))))
    return tables


def _apart(texts: dict[str, list[str]], axes: Sequence[str]) -> list[str]:
    """Return the keys that still vary within a cell of the axes, as few as possible: names before keys that follow from them.

    The name of a regularizer comes after its options, because an absent option also says that a run lacks the regularizer.
    """

    def rank(key: str) -> tuple[bool, bool, bool, str]:
        beside = key.startswith(BESIDE)
        return key.endswith(("._target_", ".version")), beside and key.endswith(".name"), not key.endswith(".name"), key

    ranked = sorted(texts, key=rank)
    keys: list[str] = []
    for key in ranked:
        cells: dict[tuple[str, ...], set[str]] = {}
        for *cell, value in zip(*(texts[k] for k in (*axes, *keys)), texts[key], strict=True):
            cells.setdefault(tuple(cell), set()).add(value)
        if any(len(values) > 1 for values in cells.values()):
            keys.append(key)
    return keys


def _table(values: pd.Series, rows: list[str], cols: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame({"row": rows, "column": cols, "value": values.tolist()})
    parts = frame.groupby(["row", "column"], sort=False)["value"]
    table = pd.DataFrame(
        {"n": parts.size(), "mean": parts.agg(moments.mean), "sd": parts.agg(moments.sd), "median": parts.median()}
    )
    never = frame["value"].map(math.isinf).groupby([frame["row"], frame["column"]], sort=False).sum()
    if never.any():  # runs that never reached a score
        table["never"] = never
    table = table.reset_index()
    return table.sort_values(["row", "column"], key=lambda c: c.map(order), kind="stable", ignore_index=True)


def _notes(frame: pd.DataFrame, part: pd.DataFrame, table: pd.DataFrame, first: bool) -> list[str]:
    counts = sorted(set(table["n"]))
    notes = [
        f"Mean ± sd over seeds, n = {counts[0]} in every cell." if len(counts) == 1 else "Mean ± sd over seeds (n)."
    ]
    lost = int((frame["status"] != "completed").sum())
    if first and lost:
        notes.append(f"{lost} failed or diverged {'run is' if lost == 1 else 'runs are'} in no cell.")
    return [*notes, *mixed(part)]


def _short(key: str) -> str:
    return key.removesuffix(".name")
