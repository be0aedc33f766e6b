"""Finds whose code raised an exception: the user's, at a line of a file, or dropbench's."""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = str(Path(__file__).parents[1]) + os.sep
_INSTALLED = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def place(error: BaseException) -> str:
    """Returns ` (my_model.py, line 3)`, the innermost line of the user's code called by dropbench; empty if there is none."""
    for raised in _chain(error):
        calls = traceback.extract_tb(raised.__traceback__)
        files = [call.filename for call in calls]
        ours = next((i for i, file in enumerate(files) if file.startswith(_PACKAGE)), None)
        if ours is None and raised is error:
            return ""  # dropbench has not been called
        for call in reversed(calls[ours:]):
            if _is_own(call.filename):
                return f" ({_short(call.filename)}, line {call.lineno})"
    return ""


def raised_by_user(error: BaseException) -> bool:
    """Returns whether a line of the user's code itself raised it, as `sys.exit()` in a model does. Ctrl-C does not count."""
    calls = traceback.extract_tb(error.__traceback__)
    return bool(calls) and _is_own(calls[-1].filename) and bool(place(error))


def told(error: BaseException, caught: BaseException | None = None) -> str:
    """Returns an error's name and the first line of its message, and where it came up in the user's code.

    caught: the exception that was raised in its place.
    """
    name = type(error).__name__
    text = f"{name}: {error}".strip().splitlines()[0] if str(error).strip() else name
    return f"{text}{place(caught or error)}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an exception, its cause, and so on."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        yield following
        following = following.__cause__ or following.__context__


def _is_own(file: str) -> bool:
    """Returns whether a file is the user's: neither dropbench's nor of Python or an installed package."""
    return file.endswith(".py") and not file.startswith((_PACKAGE, *_INSTALLED, "<")) and "site-packages" not in file


def _short(file: str) -> str:
    """Returns the path relative to the current folder, if the file is below it."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return file
