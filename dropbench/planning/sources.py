"""The data of a run, read once a process: its own, and what its metrics set it against."""

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
"""What a table is known by: loader, its options as JSON, the folder of data, and whether it may be downloaded."""
Stamps = tuple[tuple[str, int, int], ...]
"""Path, size and time of change of each file, which tell whether it is still what was read."""
NOISE = "noise"
"""What a metric's option `against` may name beside data sets."""


def forget_dead() -> None:
    """Gives loaders that ended their process another chance: a file may have been mended since."""
    _died.clear()


def forget() -> None:
    """Has data read again, in a process that goes on: tables that name their files only where one of these has changed."""
    for key, (_, stamps) in list(_kept.items()):
        if not stamps or stamps != _stamps([Path(file) for file, *_ in stamps]):
            del _kept[key]


def load(data: DataSpec, settings: Settings) -> Table:
    """The data set of a spec, read once a process."""
    return _load(*_key(data, settings))


def tables(spec: RunSpec, settings: Settings) -> dict[Key, Table]:
    """All that training of a run reads: its own data, and those that its metrics set them against."""
    named = {name for metric in spec.metric.values() for name in metric.options.get("against", ()) if name != NOISE}
    keys = [_key(spec.data, settings), *(_key_of(name, settings) for name in sorted(named))]
    return {key: _load(*key) for key in keys}


def has(key: Key) -> bool:
    """Whether this process has read a table, or was brought it."""
    return key in _kept


def bring(key: Key, table: Table) -> None:
    """Takes a table that another process has read: this one may have no files of it."""
    _kept[key] = table, ()


def others(spec: RunSpec, table: Table, settings: Settings) -> dict[str, Tensor]:
    """The examples of other data that metrics set a run's own against, by the names in their options `against`.

    [n, *table.shape] each, raw. Raises UsageError where there is no such data or it does not fit.
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
    """Of a data set of ours, by its name and with the options that it has by itself."""
    return f"dropbench.data.{name}.load", "{}", _root(settings), settings.data_download


def _root(settings: Settings) -> Path:
    return settings.data_root or Path("data")


@cache
def _data_sets() -> list[str]:
    """The names of our own: of the modules that have a `load`."""
    names = [m.name for m in pkgutil.iter_modules(data_sets.__path__) if not m.name.startswith("_")]
    return [n for n in names if hasattr(importlib.import_module(f"dropbench.data.{n}"), "load")]


_died: dict[str, PartDied] = {}
"""Loaders of the user's own that ended the process that called them: each is called once, since one that hangs has an hour."""


_kept: dict[Key, tuple[Table, Stamps]] = {}
"""What has been read, and what its files were like."""


def _load(target: str, options: str, root: Path, download: bool) -> Table:
    """`options` as JSON, since lists among them cannot be a key of what is kept."""
    key = target, options, root, download
    if key not in _kept:
        table = _read(*key)
        _kept[key] = table, _stamps(table.files)
    return _kept[key][0]


def _stamps(files: Sequence[Path]) -> Stamps:
    """Nothing where one of them is gone."""
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
