"""Selects the newest runs of settings that were trained on different data or by different code, and reports the others.

A setting identifies neither the content of its data nor the user's source code, so a folder may hold runs of the same setting
with different data or code. Their scores are not comparable, so no table contains both.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import pandas as pd

from dropbench.report.records.frame import setting_keys
from dropbench.report.tables.called import called, data_of, models_of
from dropbench.report.tables.shown_values import texts
from dropbench.report.tables.titles import tables
from dropbench.values import count


def current(frame: pd.DataFrame, typed: Sequence[str] = ()) -> tuple[pd.DataFrame, list[str]]:
    """Return the runs that may be compared, and sentences about those that may not.

    For each table, and each data set with its options in it, the data of the newest run are the valid ones. For each part of
    the user's code, the valid source is that of the newest run that uses the part. A run that failed before its data were read
    fits any data. A run with rows in several tables stays in those where it is current.

    typed: the folders and filters of the report command, for the command in the sentences that shows the other runs.
    """
    keys = [k for k in setting_keys(frame) if k.startswith("data.")]
    columns = [texts(frame[k].tolist()) for k in keys]
    groups: dict[tuple[object, ...], list[int]] = {}
    for table, places in enumerate(tables(frame)):
        for i in places:
            groups.setdefault((table, *(column[i] for column in columns)), []).append(i)
    data = called(data_of(frame))
    kept: list[int] = []
    told: dict[str, None] = {}
    for places in groups.values():
        fit, notes = _newest(frame.iloc[places], typed, data)
        kept += [place for place, yes in zip(places, fit, strict=True) if yes]
        told |= dict.fromkeys(notes)
    return frame.iloc[sorted(kept)], list(told)


def _newest(runs: pd.DataFrame, typed: Sequence[str], data: Mapping[str, str]) -> tuple[list[bool], list[str]]:
    """Return for each run whether it is compared, and sentences about the others. data: names of data, as titles have them."""
    first = runs.iloc[:1]
    about = f"{models_of(first)[0]} on {data[data_of(first)[0]]}"
    started = [_moment(text) for text in runs["started"].tolist()]
    fit = [True] * len(runs)
    notes = []

    def keep(values: Sequence[str | None], words: Callable[[str], str], shows: Callable[[str], str]) -> None:
        """Exclude the runs whose value is not the newest."""
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
