"""`data=hf`: tables, pictures and texts by Hugging Face's library `datasets`, from a folder, a file or the hub."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from dropbench.data import pictures
from dropbench.data.base import Table
from dropbench.data.sentences import numbered
from dropbench.data.tabular.columns import check_names
from dropbench.data.tabular.load import of_frame
from dropbench.data.tabular.prepare import Scale
from dropbench.data.tabular.target import Asked, target_of
from dropbench.errors import UsageError, listed
from dropbench.identity import PATH, data_name
from dropbench.spec import Positive

if TYPE_CHECKING:
    import pandas as pd

_PARTS = {"train": "train", "validation": "val", "valid": "val", "val": "val", "dev": "val", "test": "test"}
_READERS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet", ".pq": "parquet"}
_TARGETS = ("label", "labels", "target", "class", "y")
_WORDS = 3
"""A column of texts whose cells have at least this many words on average holds sentences."""


def load(
    root: Path,
    download: bool,
    *,
    path: str | None = None,
    config: str | None = None,
    target: str | None = None,
    input: str | None = None,
    task: Asked = "auto",
    scale: Scale = "standard",
    size: Positive = 32,
    grey: bool = False,
    length: Positive = 40,
    min_count: Positive = 2,
) -> Table:
    """Reads a data set. Splits named train, validation and test are used as such; a single split is divided like other data.

    Parameters
    ----------
    root : Path
        The folder in which `path` is looked for if it does not exist as typed.
    download : bool
        Whether `path` may name a data set on the hub, which is downloaded into the library's own folder.
    path : str
        A folder that `save_to_disk` wrote, a file (CSV, JSON, Parquet) or a name on the hub.
    config : str, optional
        The configuration of a data set on the hub, if there are several.
    target : str, optional
        The column to predict; None: the one named label, labels, target, class or y.
    input : str, optional
        The column of pictures or texts. None: the first one of pictures, else the first one of sentences, else all as a table.
    task, scale
        As in `data=csv`.
    size, grey
        Options of pictures, as in `data=image_folder`.
    length, min_count
        Options of texts, as in `data=mr`: words per example, and how often a word must occur to get its own number.

    Raises
    ------
    UsageError
        If the library is not installed, or if the data are missing or of another kind.
    """
    try:
        library = importlib.import_module("datasets")
    except ImportError as error:
        raise UsageError("data=hf needs the package datasets: pip install 'dropbench[hf]'") from error
    parts = _parts(path, _read(library, path, config, root, download))
    columns = list(next(iter(parts.values())).column_names)
    target = _target(target, columns)
    parts = {name: _labelled(part, target) for name, part in parts.items()}
    whole = library.concatenate_datasets([part for part in parts.values() if len(part)])
    rows = _rows({name: len(part) for name, part in parts.items() if len(part)})
    if input is None:
        input = _input(whole, [c for c in columns if c != target])
    elif input == target:
        raise UsageError(f"data.input: the column '{input}' is already data.target; name another one")
    else:
        check_names("data.input", [input], columns)
    name = data_name({PATH: path})
    if input is None:
        tested = np.isin(np.arange(len(whole)), rows.get("test", ()))
        made = of_frame(_frame(whole), name, tested, target=target, task=task, scale=scale)
        other = tuple(f"{remedy} (these are options of data=csv)" for remedy in made.remedies)
        return replace(made, val=rows.get("val"), remedies=other)
    labels = target_of(_labels(whole, target), _asked(whole, target, task))
    x, axes, words = _examples(whole, input, size, "L" if grey else "RGB", length, min_count)
    return Table(
        name=name,
        x=x,
        y=labels.y,
        axes=axes,
        n_classes=len(labels.classes) or 1,
        test=rows.get("test"),
        val=rows.get("val"),
        source=f"{path}, read by the library datasets",
        vocabulary=None if words is None else len(words),
        words=words,
        task=labels.task,
        classes=labels.classes,
        notes=labels.notes,
    )


def _read(library: Any, path: str | None, config: str | None, root: Path, download: bool) -> Any:
    """Reads a data set, or its splits by name."""
    if not path:
        raise UsageError(
            "data.path is not set: it names a folder, a file or a data set on the hub, as in data.path=my_folder"
        )
    typed = Path(path).expanduser()
    there = next((f for f in (typed, root / typed) if f.exists()), None)
    if there is None and not download:
        raise UsageError(
            f"data.path={path}: there is no such file or folder; to download a data set from the Hugging Face hub, add "
            "data.download=true"
        )
    if there is not None and there.is_file() and there.suffix not in _READERS:
        raise UsageError(f"data.path={path}: its ending is not one of {', '.join(_READERS)}")
    try:
        if there is None:
            return library.load_dataset(path, config)
        if there.is_dir():
            return library.load_from_disk(str(there))
        return library.load_dataset(_READERS[there.suffix], data_files=str(there))
    except Exception as error:  # the library's readers may raise anything
        raise UsageError(f"data.path={path} cannot be read by datasets: {' '.join(str(error).split())}") from error


def _parts(path: str | None, found: Any) -> Mapping[str, Any]:
    """Returns the splits by their role; a single split has the name train."""
    if not hasattr(found, "keys"):
        return {"train": found}
    if len(found) == 1:
        return {"train": next(iter(found.values()))}
    known = {_PARTS[split]: part for split, part in found.items() if split in _PARTS}
    if "train" not in known:
        raise UsageError(f"data.path={path} has no split 'train'; its splits are {listed(list(found.keys()))}")
    return known


def _rows(lengths: Mapping[str, int]) -> dict[str, Tensor]:
    """Returns the row numbers of validation and test; without a test split, the validation split is used for test."""
    ends = np.cumsum([0, *lengths.values()]).tolist()
    rows = {part: torch.arange(ends[i], ends[i + 1]) for i, part in enumerate(lengths) if part != "train"}
    return {"test": rows["val"]} if rows.keys() == {"val"} else rows


def _labelled(part: Any, target: str) -> Any:
    """Removes rows without a label, which test splits on the hub may have."""
    kept = np.flatnonzero(_labels(part, target).notna())
    return part if len(kept) == len(part) else part.select(kept)


def _frame(whole: Any) -> pd.DataFrame:
    frame: pd.DataFrame = whole.to_pandas()
    for name, feature in whole.features.items():
        if hasattr(feature, "names"):
            frame[name] = _labels(whole, name)
    return frame


def _target(target: str | None, columns: list[str]) -> str:
    found = target or next((name for name in _TARGETS if name in columns), None)
    if found is None:
        raise UsageError(f"data.target is not set: it names the column to predict; the columns are {listed(columns)}")
    check_names("data.target", [found], columns)
    return found


def _input(whole: Any, columns: list[str]) -> str | None:
    """Returns the first column of pictures, else the first of sentences."""
    for name in columns:
        if type(whole.features[name]).__name__ == "Image":
            return name
    for name in columns:
        if getattr(whole.features[name], "dtype", None) in ("string", "large_string"):
            cells = [text for text in whole[name][:1000] if text]
            if cells and sum(len(text.split()) for text in cells) >= _WORDS * len(cells):
                return name
    return None


def _labels(whole: Any, target: str) -> pd.Series:
    """Returns the column to predict, with the names of classes if the data set has them."""
    import pandas as pd

    cells = list(whole[target])
    if (names := getattr(whole.features[target], "names", None)) is not None:
        cells = [names[i] if i is not None and i >= 0 else None for i in cells]
    return pd.Series(cells, name=target)


def _asked(whole: Any, target: str, task: Asked) -> Asked:
    """Returns "classify" for named classes, however many there are."""
    return "classify" if task == "auto" and hasattr(whole.features[target], "names") else task


def _examples(
    whole: Any, name: str, size: int, mode: Literal["L", "RGB"], length: int, min_count: int
) -> tuple[Tensor, str, tuple[str, ...] | None]:
    """Returns pictures and their axes, or texts, their axes and their words."""
    if type(whole.features[name]).__name__ == "Image":
        read = [pictures.read(picture, size, mode) for picture in whole[name]]
        if (lost := next((i for i, one in enumerate(read) if one is None), None)) is not None:
            raise UsageError(f"row {lost} of the column '{name}' cannot be read as a picture; remove it")
        return pictures.images([one for one in read if one is not None]), "CHW", None
    if getattr(whole.features[name], "dtype", None) not in ("string", "large_string"):
        raise UsageError(
            f"data.input: the column '{name}' contains neither pictures nor texts; to use a table, leave out data.input"
        )
    x, words = numbered([str(text or "").lower().split() for text in whole[name]], length, min_count)
    return x, "T", words
