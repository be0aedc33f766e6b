"""`data=image_folder`: a user's own pictures, in one folder per class."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from dropbench.data import pictures
from dropbench.data.base import Table
from dropbench.data.tabular.alike import asked
from dropbench.data.tabular.read import check_memory
from dropbench.errors import UsageError, like, listed
from dropbench.hardware.ram import ram
from dropbench.spec import Positive
from dropbench.values import count

_PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""The names of folders of splits."""
_TOLD = 3
_FLOAT32 = 4


def load(root: Path, download: bool, *, path: str | None = None, size: Positive = 32, grey: bool = False) -> Table:
    """Reads pictures from folders named after their class: `cats/1.jpg`, or `train/cats/1.jpg` and `test/cats/9.jpg`.

    Folders `train`, `test` and (optionally) `val` are the splits. If there are only `train` and `val`, the latter is the
    test split, and validation is drawn from the former.

    Parameters
    ----------
    root : Path
        The folder in which `path` is looked for if it does not exist as typed.
    download : bool
        Not used.
    path : str
        The folder.
    size : int
        Pixels per side: the shorter side of a picture is scaled to it, and the middle is cut out.
    grey : bool
        Whether pictures are converted to grey, with one channel; else they have three.

    Raises
    ------
    UsageError
        If the folder does not exist or has no such pictures.
    """
    folder = _found(path, root)
    files = _files(folder)
    classes = sorted({name for name, _, _ in files})
    mode: Literal["L", "RGB"] = "L" if grey else "RGB"
    check_memory(folder, len(files) * len(mode) * size * size * _FLOAT32, ram())
    kept, labels, parts, unread = [], list[int](), list[str | None](), list[str]()
    for name, part, file in files:
        picture = pictures.read(file, size, mode)
        if picture is None:
            unread.append(str(file.relative_to(folder)))
            continue
        kept.append(picture)
        labels.append(classes.index(name))
        parts.append(part)
    if not kept:
        raise UsageError(
            f"data.path={path}: none of its {len(files)} files can be read as a picture, for instance {unread[0]}"
        )
    rows = {p: torch.tensor([i for i, one in enumerate(parts) if one == p]) for p in ("test", "val") if p in parts}
    notes = [*([_unreadable(unread)] if unread else []), *asked(f"data.path={path}", "classes", classes)]
    if "val" in rows and "test" not in rows:
        rows = {"test": rows["val"]}
        notes.append("there is no folder 'test', so 'val' is the test split, and validation is drawn from 'train'")
    return Table(
        name=folder.name,
        x=pictures.images(kept),
        y=torch.tensor(labels),
        axes="CHW",
        n_classes=len(classes),
        test=rows.get("test"),
        val=rows.get("val"),
        source=str(folder),
        files=tuple(file for _, _, file in files),
        classes=tuple(classes),
        notes=tuple(notes),
    )


def _unreadable(names: list[str]) -> str:
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    are = "is" if len(names) == 1 else "are"
    return (
        f"{count(len(names), 'file')} cannot be read as a picture and {are} left out: {', '.join(names[:_TOLD])}{more}"
    )


def _found(path: str | None, root: Path) -> Path:
    if not path:
        raise UsageError(
            "data.path is not set: it names your folder, as in data=image_folder data.path=my_pictures, with one folder "
            "per class in it"
        )
    typed = Path(path).expanduser()
    folder = next((f for f in (typed, root / typed) if f.exists()), None)
    if folder is None:
        above = typed.parent if typed.parent.is_dir() else Path()
        others = _folders(above)
        raise UsageError(
            f"data.path={path}: there is no such folder; {like(typed.name, others)}there is {listed(others)}"
        )
    if not folder.is_dir():
        raise UsageError(
            f"data.path={path} is a file; data=image_folder needs a folder that contains one folder per class"
        )
    return folder.resolve()


def _folders(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))


def _files(folder: Path) -> list[tuple[str, str | None, Path]]:
    """Returns class, split and file of each picture, in order."""
    names = _folders(folder)
    parts = [n for n in names if n.lower() in _PARTS]
    if {_PARTS[n.lower()] for n in parts} >= {"train"} and len(parts) > 1:
        if others := [n for n in names if n not in parts]:
            raise UsageError(
                f"data.path={folder}: next to {', '.join(parts)} there is a folder '{others[0]}'; move it elsewhere"
            )
        found: list[tuple[str, str | None, Path]] = [
            (name, _PARTS[part.lower()], file)
            for part in parts
            for name in _folders(folder / part)
            for file in _pictures(folder / part / name)
        ]
    else:
        found = [(name, None, file) for name in names for file in _pictures(folder / name)]
    if (n := len({name for name, _, _ in found})) < 2:
        raise UsageError(
            f"data.path={folder} has pictures in {count(n, 'folder')}; it needs two or more, one per class "
            f"({', '.join(pictures.ENDINGS)})"
        )
    return found


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        f for f in folder.rglob("*") if f.suffix.lower() in pictures.ENDINGS and f.is_file() and f.name[0] != "."
    )
