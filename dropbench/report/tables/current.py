"""Runs of one setting that saw other data, or were made by other code: of each the newest are compared, and the rest is told.

A setting does not name its data's content nor a user's source, so a folder may hold it several times over. Their scores answer
different questions, and no table may have both.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import pandas as pd

from dropbench.report.records.frame import setting_keys
from dropbench.report.tables.arms import tables
from dropbench.report.tables.shown_values import texts
from dropbench.values import count, written


def current(frame: pd.DataFrame, typed: Sequence[str] = ()) -> tuple[pd.DataFrame, list[str]]:
    """The runs that may be compared, and a sentence on those that may not.

    Within one table, and there of one data set with its options, the data of the newest run count, and of each of the user's
    parts its source in the newest run that has it. A run that failed before its data were read goes with any. A run that is in
    several tables, and in each of them has a row, stays where it is current.

    typed: of the report, folders and filters, with which the sentence says how the others are shown.
    """
    keys = [k for k in setting_keys(frame) if k.startswith("data.")]
    columns = [texts(frame[k].tolist()) for k in keys]
    groups: dict[tuple[object, ...], list[int]] = {}
    for table, places in enumerate(tables(frame)):
        for i in places:
            groups.setdefault((table, *(column[i] for column in columns)), []).append(i)
    kept: list[int] = []
    told: dict[str, None] = {}
    for places in groups.values():
        fit, notes = _newest(frame.iloc[places], typed)
        kept += [place for place, yes in zip(places, fit, strict=True) if yes]
        told |= dict.fromkeys(notes)
    return frame.iloc[sorted(kept)], list(told)


def _newest(runs: pd.DataFrame, typed: Sequence[str]) -> tuple[list[bool], list[str]]:
    """Which of these runs are compared, and what is said of the others."""
    about = f"{written(runs['model'].iloc[0])} on {written(runs['data'].iloc[0])}"
    started = [_moment(text) for text in runs["started"].tolist()]
    fit = [True] * len(runs)
    notes = []

    def keep(values: Sequence[str | None], words: Callable[[str], str], shows: Callable[[str], str]) -> None:
        """Leaves out the runs of another than the newest value."""
        dated = [(at, value) for at, value, yes in zip(started, values, fit, strict=True) if yes and value is not None]
        if len({value for _, value in dated}) < 2:
            return
        newest = max(dated)[1]
        others = [v for v, yes in zip(values, fit, strict=True) if yes and v not in (None, newest)]
        fit[:] = [yes and v in (None, newest) for v, yes in zip(values, fit, strict=True)]
        commands = (shlex.join(["dropbench", "report", *typed, shows(str(v))]) for v in dict.fromkeys(others))
        see = ", ".join(f"`{command}`" for command in commands)
        was, are, them = ("was", "it is", "it") if len(others) == 1 else ("were", "they are", "them")
        notes.append(
            f"{about}: {count(len(others), 'run')} {was} made {words(newest)}; {are} kept and not compared. {see} shows {them}."
        )

    keep(
        runs["data_fingerprint"].tolist(),
        lambda newest: f"from other data than the newest ({newest})",
        lambda value: f"data_fingerprint={value}",
    )
    sources: list[Mapping[str, str]] = runs["sources"].tolist()
    for part in sorted({name for each in sources for name in each}):
        keep(
            [each.get(part) for each in sources],
            lambda newest, part=part: f"by other code of {part} than the newest ({newest})",  # type: ignore[misc]
            lambda value: f"sources=*{value}*",
        )
    return fit, notes


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
