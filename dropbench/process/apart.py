"""Code of the user's own, called before anything trains: in a copy of this process, which alone it can end, hang or change."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar, cast

from dropbench.errors import UsageError
from dropbench.identity import OWN
from dropbench.process import blame
from dropbench.process.guarded import guarded
from dropbench.process.workers import may_fork

T = TypeVar("T")

PATIENCE_S = 120.0
"""For a module to be imported, built or tried on a few examples, which takes seconds at most."""
READING_S = 3600.0
"""For a loader of data, which may have much to read."""


class PartFailed(UsageError):
    """Code of the user's own raised, ended its process or did not come to an end."""


class PartDied(PartFailed):
    """It ended its process, or did not come to an end."""


class PartHangs(PartDied):
    """It did not come to an end, nor would it in training."""


def apart(target: str, what: str, act: Callable[[], T], seconds: float | None = None) -> T:
    """What a call gives that runs a part's code: one of dropbench's own is called as it is.

    That of a user's is made in a copy of this process where there may be one, and here where not, or where what it gives
    cannot be handed over.

    Parameters
    ----------
    target : str
        The part's import path.
    what : str
        What is called, for messages: `model=mine`.
    act : Callable
        The call.
    seconds : float, optional
        How long it may take; PATIENCE_S unless it is given.

    Raises
    ------
    PartFailed
        Where it raises; PartDied where it ends its process or takes too long. A UsageError that it raises comes as it is.
    """
    if target.startswith(OWN):
        return act()
    if not may_fork() or multiprocessing.parent_process() is not None:
        return _here(what, act)
    kind, value = _in_copy(what, act, PATIENCE_S if seconds is None else seconds)
    # Pickled by a copy of this process, in a pipe that nobody else writes to.
    if kind == "gave":
        return cast("T", pickle.loads(value))
    if kind == "raised":
        raise cast("UsageError", pickle.loads(value))
    if kind == "failed":
        raise PartFailed(f"{what}: {_sentence(*value)}")
    return _here(what, act)


def _in_copy(what: str, act: Callable[[], Any], seconds: float) -> tuple[str, Any]:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_copy, args=(theirs, act))
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()  # what waits to be written would be written twice
    process.start()
    theirs.close()
    try:
        if not wait([ours, process.sentinel], seconds):
            raise PartHangs(f"{what} did not come to an end within {seconds:g} s")
        if ours.poll():
            with suppress(EOFError, OSError):
                return cast("tuple[str, Any]", ours.recv())
        process.join(seconds)
        raise PartDied(f"{what} ended its process ({_ended(process.exitcode)})")
    finally:
        process.kill()
        process.join()
        ours.close()


def _copy(pipe: Connection, act: Callable[[], Any]) -> None:
    """In the copy: makes the call and sends what came of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of a terminal, and is the parent's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with guarded():
        pipe.send(_outcome(act))
    pipe.close()
    os._exit(0)


def _outcome(act: Callable[[], Any]) -> tuple[str, Any]:
    try:
        value = act()
    except UsageError as error:
        try:
            return "raised", pickle.dumps(error)
        except Exception:
            return "failed", (str(error), "")
    except BaseException as error:
        return "failed", (blame.told(error), _whole(error))
    try:
        return "gave", pickle.dumps(value, protocol=5)
    except Exception:
        return "kept", None


def _here(what: str, act: Callable[[], T]) -> T:
    with guarded():
        try:
            return act()
        except UsageError:
            raise
        except BaseException as error:
            if isinstance(error, Exception) or blame.raised_by_user(error):
                raise PartFailed(f"{what}: {_sentence(blame.told(error), _whole(error))}") from error
            raise


def _whole(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


@cache
def _sentence(told: str, whole: str) -> str:
    """With where the whole traceback is kept: once, however often it came up."""
    kept = keep(whole) if whole else None
    return told + (f"; the whole traceback is in {kept}" if kept else "")


def keep(whole: str) -> str | None:
    """Writes a traceback to a new file in the system's temporary folder; returns its path, or None where there is no room."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="dropbench-crash-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(whole)
    except OSError:
        return None
    return file.name


def _ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else ""
    return f"signal {-code}, {name}" + (", as where memory runs out" if -code == signal.SIGKILL else "")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
