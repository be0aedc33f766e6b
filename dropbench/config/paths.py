"""Paths on the command line: every character is taken literally, except for quotes around the whole, as in Hydra's grammar."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from dropbench.errors import UsageError

PATHS = ("results", "data.root")
"""The keys whose value is a folder, without lists, sweeps or interpolations."""

FILES = ("data.path", "data.test_path")
"""The keys whose value is a file of the user. They allow sweeps, but the name of an existing file is taken literally."""


def names_file(key: str, typed: str) -> bool:
    """Returns whether the typed value of a key of `FILES` is an existing file or folder, whatever else it could mean."""
    try:
        return key in FILES and bool(typed) and Path(typed).expanduser().exists()
    except (OSError, ValueError):
        return False


def plain_path(key: str, typed: str) -> Path:
    """Returns the typed folder. `~` at its beginning is the user's home, as at the beginning of a word in a shell.

    Quotes around the whole text do not belong to the name, because values of other keys are quoted in the same way.

    Raises
    ------
    UsageError
        If the text is empty, null, or contains a zero byte, which no system allows in a path.
    """
    if not typed:
        raise UsageError(f"{key}= is empty; write {key}=. for the current folder")
    if typed == "null":
        raise UsageError(f"{key}=null: it must be a folder")
    if "\0" in typed:
        raise UsageError(f"{key}={typed!r}: the name of a folder cannot contain a zero byte")
    if _is_quoted(typed):
        return Path(typed[1:-1])
    return Path(typed).expanduser() if typed == "~" or typed.startswith("~/") else Path(typed)


def _is_quoted(typed: str) -> bool:
    """Returns whether a text is between quotes of the same kind."""
    return len(typed) > 2 and typed[0] == typed[-1] and typed[0] in "'\""


def own_folders(given: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Returns one or several folders of options, as given in a Python call. Raises UsageError for a blank text."""
    several = [given] if isinstance(given, str | os.PathLike) else given
    for folder in several:
        if not str(folder).strip():
            raise UsageError(f"conf={folder!r} is blank: name the folder with your own options, or leave it out")
    return [Path(folder).expanduser() for folder in several]


def check_results(folder: Path) -> None:
    """Raises UsageError if there cannot be such a folder, because it or one of its parents is something else than a folder."""
    try:
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        reason = None if there.is_dir() else os.strerror(errno.ENOTDIR)
    except OSError as error:
        reason = error.strerror
    if reason is not None:
        raise UsageError(f"cannot write results into {folder}: {reason}; choose another folder: results=DIR")


def path_setting(key: str, path: str | Path) -> str:
    """Returns `key=path` so that it is read as this folder; folders with the names `~` and `'x'` become `./~` and `./'x'`."""
    return f"{key}=./{path}" if str(path).startswith("~") or _is_quoted(str(path)) else f"{key}={path}"
