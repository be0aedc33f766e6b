"""Calls users' code before training in a fork of this process, so that only the fork can be ended, blocked or changed by it."""

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
"""Time limit to import, build or try a module on a few examples, which normally takes seconds."""
READING_S = 3600.0
"""Time limit for a data loader, which may have much to read."""


class PartFailed(UsageError):
    """Users' code raised an error, ended its process or did not return."""


class PartDied(PartFailed):
    """Users' code ended its process, or did not return."""


class PartHangs(PartDied):
    """Users' code did not return, and would not return in training either."""


def apart(target: str, what: str, act: Callable[[], T], seconds: float | None = None) -> T:
    """Returns the result of a call that runs a part's code. One of dropbench's own parts is called directly.

    A user's part is called in a fork of this process if possible. It is called here if not, or if the result cannot be pickled.

    Parameters
    ----------
    target : str
        The part's import path.
    what : str
        A name of what is called, for messages: `model=mine`.
    act : Callable
        The call.
    seconds : float, optional
        How long it may take; by default PATIENCE_S.

    Raises
    ------
    PartFailed
        If it raises; PartDied if it ends its process or takes too long. A UsageError that it raises is raised unchanged.
    """
    if target.startswith(OWN):
        return act()
    if not may_fork() or multiprocessing.parent_process() is not None:
        return _here(what, act)
    kind, value = _in_copy(what, act, PATIENCE_S if seconds is None else seconds)
    # Pickled by a fork of this process, in a pipe to which nothing else writes.
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
            stream.flush()  # a buffer that is not flushed would be written twice
    process.start()
    theirs.close()
    try:
        if not wait([ours, process.sentinel], seconds):
            raise PartHangs(f"{what} did not end within {seconds:g} s")
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
    """Runs in the fork: makes the call and sends its outcome."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all, and the parent handles it
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
    """Adds where the whole traceback is stored. It is stored only once for repeated errors."""
    kept = keep(whole) if whole else None
    return told + (f"; the whole traceback is in {kept}" if kept else "")


def keep(whole: str) -> str | None:
    """Writes a traceback to a new file in the system's temporary folder. Returns its path, or None if it cannot be written."""
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
    return f"signal {-code}, {name}" + (", which often means that memory ran out" if -code == signal.SIGKILL else "")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
