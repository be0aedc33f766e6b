"""Reads the data of a run once per process: its own data set, and those with which its metrics compare it."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench import data as data_sets
from dropbench.config.parts import locate
from dropbench.errors import UsageError, nearest
from dropbench.process.apart import READING_S, PartDied, apart
from dropbench.settings import Settings
from dropbench.spec import DataSpec, RunSpec

if TYPE_CHECKING:
    from torch import Tensor

    from dropbench.data.base import Table

Key = tuple[str, str, Path, bool]
"""Identifies a table: loader, its options as JSON, the folder of data, and whether it may be downloaded."""
Stamps = tuple[tuple[str, int, int], ...]
"""Path, size and modification time of each file, which show whether it has changed since it was read."""
NOISE = "noise"
"""A value of a metric's option `against` that is not a data set."""


def forget_dead() -> None:
    """Lets loaders that ended their process be called again: a file may have been repaired since."""
    _died.clear()


def forget() -> None:
    """Makes this process read data again when it is next used; a table that names its files only if one of them has changed."""
    for key, (_, stamps) in list(_kept.items()):
        if not stamps or stamps != _stamps([Path(file) for file, *_ in stamps]):
            del _kept[key]


def load(data: DataSpec, settings: Settings) -> Table:
    """Returns the data set of a spec, read once per process."""
    return _load(*_key(data, settings))


def tables(spec: RunSpec, settings: Settings) -> dict[Key, Table]:
    """Returns all tables that training of a run reads: its own data, and those with which its metrics compare it."""
    named = {name for metric in spec.metric.values() for name in metric.options.get("against", ()) if name != NOISE}
    keys = [_key(spec.data, settings), *(_key_of(name, settings) for name in sorted(named))]
    return {key: _load(*key) for key in keys}


def has(key: Key) -> bool:
    """Returns whether this process has read or received a table."""
    return key in _kept


def bring(key: Key, table: Table) -> None:
    """Stores a table that another process has read, since this one may not have its files."""
    _kept[key] = table, ()


def others(spec: RunSpec, table: Table, settings: Settings) -> dict[str, Tensor]:
    """Returns the examples of other data sets with which metrics compare a run's own, by the names in their options `against`.

    They are raw, [n, *table.shape] each. Raises UsageError if there is no such data set or it does not fit.
    """
    from dropbench.data.foreign import fitted

    examples = {}
    for key, metric in spec.metric.items():
        for name in metric.options.get("against", ()):
            if name == NOISE:
                continue
            if name not in (known := _data_sets()):
                raise UsageError(
                    f"metric.{key}.against={name}: there is no such data; {nearest(name, [NOISE, *known])}"
                )
            try:
                other = _load(*_key_of(name, settings))
                examples[name] = fitted(other, table)
            except UsageError as error:
                raise UsageError(f"metric.{key}.against={name}: {error}") from error
    return examples


def _key(data: DataSpec, settings: Settings) -> Key:
    return data.target, json.dumps(data.options, sort_keys=True), _root(settings), settings.data_download


def _key_of(name: str, settings: Settings) -> Key:
    """Returns the key of one of dropbench's data sets, by name, with its default options."""
    return f"dropbench.data.{name}.load", "{}", _root(settings), settings.data_download


def _root(settings: Settings) -> Path:
    return settings.data_root or Path("data")


@cache
def _data_sets() -> list[str]:
    """Returns the names of dropbench's data sets: the modules that have a `load`."""
    names = [m.name for m in pkgutil.iter_modules(data_sets.__path__) if not m.name.startswith("_")]
    return [n for n in names if hasattr(importlib.import_module(f"dropbench.data.{n}"), "load")]


_died: dict[str, PartDied] = {}
"""Users' loaders that ended their process. Each is called only once, because one that hangs is given an hour."""


_kept: dict[Key, tuple[Table, Stamps]] = {}
"""The tables that were read, with the stamps of their files."""


def _load(target: str, options: str, root: Path, download: bool) -> Table:
    """Returns a table. `options` is JSON, because lists in it could not be part of a dictionary key."""
    key = target, options, root, download
    if key not in _kept:
        table = _read(*key)
        _kept[key] = table, _stamps(table.files)
    return _kept[key][0]


def _stamps(files: Sequence[Path]) -> Stamps:
    """Returns the stamps of files; empty if one of them is gone."""
    try:
        return tuple((str(file), told.st_size, told.st_mtime_ns) for file in files for told in [file.stat()])
    except OSError:
        return ()


def _read(target: str, options: str, root: Path, download: bool) -> Table:
    from dropbench.data.checked import checked
    from dropbench.data.fingerprints import recall

    loader, given = locate(target), json.loads(options)

    def read() -> Table:
        table = checked(loader(root, download, **given), target)
        recall(table, loader, given)
        return table

    key = f"{target} {options} {root}"
    if key in _died:
        raise _died[key]
    try:
        return apart(target, f"data loader {target}", read, READING_S)
    except PartDied as error:
        _died[key] = error
        raise
