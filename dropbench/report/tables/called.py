"""Names of data and networks for titles, in place of stored names that are made for ids and mean nothing to a reader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from dropbench.identity import HOST, object_of
from dropbench.report.tables.shown_values import texts
from dropbench.values import written


def data_of(runs: pd.DataFrame) -> list[str]:
    """Return the stored names of the data of these runs, each once."""
    return [name for name in dict.fromkeys(texts(runs["data"].tolist(), written)) if name]


def called(names: Iterable[str]) -> dict[str, str]:
    """Return what data are called, by their stored names: for `given_ee20e9` it is `the given DataFrame`.

    names: of all data that are shown together. Only if several of them would be called the same are they told apart, by the
    digits of their names.
    """
    objects = {name: object_of(name) for name in dict.fromkeys(names)}
    kinds = [found[0] for found in objects.values() if found is not None]
    return {
        name: name if found is None else found[0] if kinds.count(found[0]) == 1 else " ".join(found)
        for name, found in objects.items()
    }


def models_of(runs: pd.DataFrame) -> list[str]:
    """Return what the models of these runs are called, each once: a network of the user's by its class or function."""
    names = texts(runs["model"].tolist(), written)
    hosts, targets = (_column(runs, key) for key in ("model._target_", "model.target"))
    told = [
        target.rpartition(".")[2] if host == HOST and isinstance(target, str) else name
        for name, host, target in zip(names, hosts, targets, strict=True)
    ]
    return [name for name in dict.fromkeys(told) if name]


def _column(runs: pd.DataFrame, key: str) -> Sequence[object]:
    column: Sequence[object] = runs[key].tolist() if key in runs else [None] * len(runs)
    return column
