"""Folders as one types them: each character of a path counts as itself, whatever it means to Hydra's grammar."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from dropbench.errors import UsageError

PATHS = ("results", "data.root")
"""The keys whose value is a folder: no list, no sweep, no quotes, no interpolation."""

FILES = ("data.path", "data.test_path")
"""Keys whose value names a file of the user's, which may be swept over; one that is there is read as it is."""


def names_file(key: str, typed: str) -> bool:
    """Whether what was typed for a key is a file or a folder that is there, whatever else it could mean."""
    try:
        return key in FILES and bool(typed) and Path(typed).expanduser().exists()
    except (OSError, ValueError):
        return False


def plain_path(key: str, typed: str) -> Path:
    """The folder that was typed. `~` at its beginning is the user's home, as it is where a word of the shell begins so.

    Raises
    ------
    UsageError
        For no text at all, for null, and for one that no system takes for a path.
    """
    if not typed:
        raise UsageError(f"{key}= names no folder; write {key}=. for this one")
    if typed == "null":
        raise UsageError(f"{key}=null: it must be a folder")
    if "\0" in typed:
        raise UsageError(f"{key}={typed!r}: no folder has a zero byte in its name")
    return Path(typed).expanduser() if typed == "~" or typed.startswith("~/") else Path(typed)


def own_folders(given: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    """One folder of options or several, as a Python call names them. Raises UsageError for a text of blanks."""
    several = [given] if isinstance(given, str | os.PathLike) else given
    for folder in several:
        if not str(folder).strip():
            raise UsageError(f"conf={folder!r} names no folder: name the folder with your own options, or leave it out")
    return [Path(folder).expanduser() for folder in several]


def check_results(folder: Path) -> None:
    """Raises UsageError where there cannot be a folder of this name, because something else is there or on the way to it."""
    try:
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        reason = None if there.is_dir() else os.strerror(errno.ENOTDIR)
    except OSError as error:
        reason = error.strerror
    if reason is not None:
        raise UsageError(f"cannot write results into {folder}: {reason}; choose another folder: results=DIR")


def path_setting(key: str, path: str | Path) -> str:
    """`key=path`, which reads as this folder: one that is called `~` is written `./~`."""
    return f"{key}=./{path}" if str(path).startswith("~") else f"{key}={path}"
