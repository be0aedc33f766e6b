"""Turns data and networks that are Python objects into settings for the duration of a call.

Data are written into a temporary folder, where other processes find them. A class or function of an importable module is given
by its import path. Any other exists only in this process, so this process trains it: a temporary module holds it and the text
of its source, which identifies it.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from dropbench.api.source import importable, source_of
from dropbench.errors import UsageError, listed
from dropbench.identity import GIVEN_MODULE
from dropbench.process.workers import only_this_process

if TYPE_CHECKING:
    from dropbench.data.base import Table

_YAML = """# An object that a program of Python gave
defaults:
  - _split

_target_: dropbench.data._given.load
name: {name}
path: {path}
"""
_known: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""The classes and functions that were given to this process and still exist, by the hash of their source."""
_NOTE = (
    "{what} given as Python objects, which are identified by their content: the runs are stored and reported like others, but "
    "no command line can repeat them"
)


@dataclass(frozen=True)
class Settings:
    """The settings for the objects: overrides, folders of options, and a note to show once."""

    overrides: list[str]
    conf: list[Path]
    note: str | None = None


@contextmanager
def as_settings(data: Any = None, target: str | None = None, model: Any = None) -> Iterator[Settings]:
    """Context manager that yields the settings that one would type for these objects.

    Parameters
    ----------
    data : Table, DataFrame, Dataset, (x, y) or (x, y, parts), optional
        See `sweep`.
    target : str, optional
        The column of a DataFrame to predict.
    model : class or function, optional
        Returns an nn.Module.

    Raises
    ------
    UsageError
        For other objects, and for a network without a source.
    """
    if target is not None and not hasattr(data, "columns") and not isinstance(data, str | os.PathLike):
        raise UsageError("target names the column of a DataFrame to predict: also give data=frame")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dropbench-")))
        overrides: list[str] = []
        conf: list[Path] = []
        lasting = ["data"] if data is not None else []
        if data is not None:
            overrides += _data(data, target, folder)
            conf += [folder / "conf"] * (folder / "conf").exists()
        if model is not None:
            name = network_path(model)
            overrides += ["model=module", f"model.target={name}"]
            if name.startswith(f"{GIVEN_MODULE}."):
                stack.enter_context(held(model))
                stack.enter_context(only_this_process())
                lasting.append("the model")
        what = f"{' and '.join(lasting)} {'are' if lasting != ['the model'] else 'is'}"
        yield Settings(overrides, conf, _NOTE.format(what=what) if lasting else None)


def _data(data: Any, target: str | None, folder: Path) -> list[str]:
    from dropbench.data.base import Table

    if isinstance(data, tuple) and len(data) in (2, 3) and hasattr(data[0], "columns"):
        frame, tested, target = _with_target(*data)
        return _frame(frame, target, folder, tested)
    if hasattr(data, "columns") and hasattr(data, "to_csv"):
        if target is None:
            names = listed([*map(str, data.columns)])
            raise UsageError(f"data is a DataFrame: name the column to predict with target=; its columns are {names}")
        return _frame(data, target, folder)
    if isinstance(data, Table):
        return _table(data, folder)
    sets = data if isinstance(data, tuple | list) else (data,)
    if len(sets) in (1, 2, 3) and all(map(_is_dataset, sets)):
        from dropbench.api.arrays import of_datasets, table_of

        return _table(table_of(*of_datasets(sets)), folder)
    if isinstance(data, tuple) and len(data) in (2, 3) and not (len(data) == 3 and not isinstance(data[2], Mapping)):
        from dropbench.api.arrays import table_of

        return _table(table_of(*data), folder)
    if isinstance(data, str | os.PathLike) and Path(data).suffix:
        raise UsageError(
            f"data={str(data)!r} looks like a file: name it in settings, such as 'data=csv', "
            f"{{'data.path': {str(data)!r}, 'data.target': 'COLUMN'}}, or read it and give a DataFrame with target='COLUMN'"
        )
    if hasattr(data, "dataset"):
        raise UsageError(f"data is a {type(data).__name__}: give its data set, data=loader.dataset")
    raise UsageError(
        f"data is a {type(data).__name__}: give (x, y), (x, y, {{'test': rows}}), a DataFrame with target='y', a Dataset of "
        "torch that has a length, or a Table; the name of a data set is a setting, 'data=digits'"
    )


def _is_dataset(data: Any) -> bool:
    """Return whether it is a data set of torch whose items have numbers."""
    from torch.utils.data import Dataset

    return isinstance(data, Dataset) and hasattr(data, "__len__")


def _table(table: Table, folder: Path) -> list[str]:
    from dropbench.data._given import lay
    from dropbench.data.checked import checked

    name = f"given_{checked(table, 'data').fingerprint[:6]}"
    (folder / "conf" / "data").mkdir(parents=True)
    file = folder / f"{name}.table"
    lay(table, file)
    (folder / "conf" / "data" / f"{name}.yaml").write_text(_YAML.format(name=name, path=file), encoding="utf-8")
    return [f"data={name}"]


def _frame(frame: Any, target: str, folder: Path, tested: Any = None) -> list[str]:
    """Write a DataFrame as a CSV file, which is read like any other, and return the overrides for it."""
    from dropbench.config.typed import setting

    text = frame.to_csv(index=False)
    name = f"given_{hashlib.sha256(text.encode()).hexdigest()[:6]}"
    files = {"data.path": (f"{name}.csv", text)}
    if tested is not None:
        files["data.test_path"] = (f"{name}_test.csv", tested.to_csv(index=False))
    for file, content in files.values():
        (folder / file).write_text(content, encoding="utf-8")
    paths = [f"{key}={folder / file}" for key, (file, _) in files.items()]
    return ["data=csv", *paths, setting("data.target", str(target))]


def _with_target(x: Any, y: Any, parts: Mapping[str, Any] | None = None) -> tuple[Any, Any, str]:
    """Return columns and target as one frame; if test rows are given, these are a second frame."""
    import numpy as np

    name = str(getattr(y, "name", None) or "target")
    if name in x.columns:
        raise UsageError(f"data=(x, y): x has a column with the name of y, '{name}'; leave it out of x")
    frame = x.assign(**{name: np.asarray(y)})
    if not parts:
        return frame, None, name
    if set(parts) != {"test"}:
        raise UsageError(
            "data=(x, y, parts): with a DataFrame, parts may hold only {'test': row numbers}; data.group=COLUMN, "
            "data.time=COLUMN and data.weight=COLUMN name columns of it"
        )
    chosen = np.zeros(len(frame), dtype=bool)
    chosen[np.asarray(parts["test"])] = True
    return frame[~chosen], frame[chosen], name


def network_path(model: Any) -> str:
    """Return the import path of a class or function; in the temporary module if it is not importable.

    Raises UsageError if it is neither, and for a lambda.
    """
    if isinstance(model, str):
        raise UsageError(f"model={model!r} is a name: give it as a setting, 'model={model}'")
    if isinstance(model, partial):
        typed = {f"model.args.{key}": value for key, value in model.keywords.items()}
        name = getattr(model.func, "__name__", "NAME")
        raise UsageError(
            f"model is a partial: give {name} itself and its arguments as settings, {typed}, or write a function, "
            "def net(num_classes): ..."
        )
    if not callable(model) or not hasattr(model, "__qualname__"):
        kind = type(model).__name__
        raise UsageError(
            f"model is a {kind}: give the class, or a function that makes one, because each seed starts from its own "
            "initial weights"
        )
    if importable(model):
        return f"{model.__module__}.{model.__qualname__}"
    name = str(model.__name__)
    if not name.isidentifier():
        raise UsageError("model is a lambda: write it as a function with a name, def net(n_classes): ...")
    return f"{GIVEN_MODULE}.{name}"


@contextmanager
def held(model: Any) -> Iterator[None]:
    """Context manager with the temporary module that holds a class or function, which `known_network` finds afterwards.

    The module's file exists only for the source to be read, not to be run. Raises UsageError if there is no source.
    """
    from dropbench.config.source_hash import source_hash

    source = source_of(model)
    with tempfile.TemporaryDirectory(prefix="dropbench-") as folder:
        file = Path(folder) / f"{GIVEN_MODULE}.py"
        file.write_text(source, encoding="utf-8")
        module = ModuleType(GIVEN_MODULE)
        module.__file__ = str(file)
        setattr(module, model.__name__, model)
        sys.modules[GIVEN_MODULE] = module
        sys.path.append(folder)
        try:
            _known[source_hash(f"{GIVEN_MODULE}.{model.__name__}")] = model
            yield
        finally:
            del sys.modules[GIVEN_MODULE]
            sys.path.remove(folder)


def known_network(source: str | None) -> Any:
    """Return a class or function that an earlier call of this process was given, by the hash of its source, or None."""
    return None if source is None else _known.get(source)


def typed(overrides: Sequence[str], objects: Settings) -> list[str]:
    """Return all overrides, with one worker if only this process can train. Raise UsageError if a key is given in both."""
    given = {word.partition("=")[0] for word in objects.overrides}
    for word in overrides:
        if (key := word.partition("=")[0]) in given:
            raise UsageError(f"{word}: {key} was also given as an object; leave out one of the two")
    alone = any(GIVEN_MODULE in word for word in objects.overrides)
    workers = ["execute.workers=1"] if alone and not any(w.startswith("execute.workers=") for w in overrides) else []
    return [*overrides, *objects.overrides, *workers]
