"""Groups arms that can be compared into tables, and gives each table a title.

A study's arms are compared whatever they differ in. For other runs, a configuration key belongs to the arm if it is a
regularizer's (dropout or another one), and to the comparison otherwise: runs that differ in the model, the data or the length
of training are in different tables.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from dropbench.report.records.frame import rows_of, setting_keys
from dropbench.report.tables.arms import as_settings, belongs_to_arm, tells
from dropbench.report.tables.called import called, data_of, models_of
from dropbench.report.tables.shown_values import Row, as_set, shown, texts, vary, vary_in
from dropbench.values import order, written

_TARGET = "model.target"
"""The key of a user's network, which is called by its class."""
_SEVERAL = "several"
"""The value, in a table's title, of a key that differs between the arms of that table."""


def comparisons(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return (title, rows) for each table, which is a study's or has runs that differ only in regularizers; sorted by title."""
    places = tables(frame)
    parts = [frame.iloc[rows] for rows in places]
    keys = setting_keys(frame)
    if frame.get("table") is None or frame["table"].isna().all():
        keys = [k for k in keys if not belongs_to_arm(k)]
    data = called(data_of(frame))
    titles = _told_apart(_titles([_as_one(part, keys, data) for part in parts], keys), parts, keys)
    if "context" in frame:
        besides = [part["context"].iloc[0] for part in parts]
        titles = [
            title if beside is None else f"{title}, {beside}" for title, beside in zip(titles, besides, strict=True)
        ]
    return sorted(zip(titles, parts, strict=True), key=lambda pair: order(pair[0]))


def tables(frame: pd.DataFrame) -> list[list[int]]:
    """Return the row positions of each table.

    There is one table for each value of the `table` column and, for rows where that is empty or missing, one for each setting
    of the keys that belong to no arm, and of the `context` column, if there is one.
    """
    keys = [k for k in setting_keys(frame) if not belongs_to_arm(k)]
    values = [column for k in keys if len(set(column := texts(frame[k].tolist(), as_set))) > 1]
    values += [frame["context"].tolist()] if "context" in frame else []
    planned = frame["table"].tolist() if "table" in frame else [None] * len(frame)
    groups: dict[tuple[str | None, ...], list[int]] = {}
    for i, table in enumerate(planned):
        group = (table,) if table is not None else (None, *(column[i] for column in values))
        groups.setdefault(group, []).append(i)
    return list(groups.values())


def _told_apart(titles: Sequence[str], parts: Sequence[pd.DataFrame], keys: Sequence[str]) -> list[str]:
    """Make equal titles of a study's tables unique by the setting of an arm that differs in them: `..., usual at lr=0.1`."""
    told = list(titles)
    for title in (t for t, n in Counter(titles).items() if n > 1):
        alike = [i for i, other in enumerate(titles) if other == title]
        for name in dict.fromkeys(parts[alike[0]]["name"].tolist()):
            rows = [row for i in alike for row in rows_of(parts[i][parts[i]["name"] == name].head(1))]
            settings = [as_settings(row, vary(rows, keys)) for row in rows]
            if len(set(settings)) == len(alike):
                for i, words in zip(alike, settings, strict=True):
                    told[i] = f"{title}, {name} at {words}"
                break
    return told


def _as_one(part: pd.DataFrame, keys: Sequence[str], data: Mapping[str, str]) -> Row:
    """Return one row that represents a whole table. data: what data are called, by their names."""
    names = {"model": ", ".join(models_of(part)), "data": ", ".join(data[name] for name in data_of(part))}
    return {**rows_of(part.head(1))[0], **dict.fromkeys(vary_in(part, keys), _SEVERAL), **names}


def _titles(rows: Sequence[Row], keys: Sequence[str]) -> list[str]:
    """Return titles such as `mlp on mnist, n_train=1000`: examples and label noise if set, and the keys that differ."""
    networks = {(row.get("model"), str(row.get(_TARGET))) for row in rows}
    if len(networks) == len({model for model, _ in networks}):  # the class alone tells them apart
        keys = [k for k in keys if k != _TARGET]
    titles = []
    for row in rows:
        told = []
        for k in keys:
            value = shown(row.get(k, math.nan))
            said = (k == "data.n_train" and value not in (None, "null", _SEVERAL)) or (
                k == "data.label_noise" and value not in (None, "0", _SEVERAL)
            )
            apart = value != _SEVERAL and k not in ("model.name", "data.name") and tells(row, rows, k)
            if said or apart:
                told.append(k)
        titles.append(_title(row, told))
    more = [_title(row, vary(rows, keys)) for row in rows]
    return titles if len(set(titles)) >= len(set(more)) else more


def _title(row: Row, told: Sequence[str]) -> str:
    names = {k: "model" if k == _TARGET else k.removesuffix(".name").rsplit(".", 1)[-1] for k in told}
    short = Counter(names.values())
    parts = [
        _said(names[k] if short[names[k]] == 1 else k.removesuffix(".name"), shown(row.get(k)) or "absent")
        for k in told
    ]
    return ", ".join([f"{written(row.get('model'))} on {written(row.get('data'))}", *parts])


def _said(name: str, value: str) -> str:
    return f"no {name}" if value == "null" else f"{name}={value}"
