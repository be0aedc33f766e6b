"""One call from Python: protects the caller's process from changes that a command can make in a process of its own."""

from __future__ import annotations

import random
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from dropbench.errors import Interrupted, UsageError
from dropbench.identity import object_of
from dropbench.process.signals import SIGNALS

_one = threading.RLock()
"""Hydra has one state for the whole process, so calls from several threads wait for each other."""
_OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")
_COMMAND = re.compile(r"(\bdropbench [a-z]+ [^;`\n]*)")
_DATA = re.compile(r"\bdata '(given_[^']+)'")
_FLAGS = {"--force": "force=True", "--until-settled": "until_settled=True", "--explain": "explain=True"}


@contextmanager
def call(*, trains: bool = False) -> Iterator[None]:
    """Context manager of a call: it words errors for Python, and restores the state of the process at the end.

    Parameters
    ----------
    trains : bool
        Whether something may be trained in it.

    Raises
    ------
    UsageError
        For a mistake by the user: one sentence.
    KeyboardInterrupt
        On Ctrl-C, once the runs in training are saved; the message says what is stored.
    OSError
        If trained runs could not be stored.
    """
    with _one, ExitStack() as stack:
        for read, write in _shared() if trains else ():
            stack.callback(write, read())
        forget()
        try:
            yield
            return
        except UsageError as error:
            # Without the chain of exceptions inside dropbench: the sentence itself names the user's own line, if one raised.
            raise UsageError(spoken(str(error))) from None
        except Interrupted as error:
            stopped = error
    # The process has its own signal handlers again.
    number, told = stopped.code - 128, spoken(str(stopped))
    if number in SIGNALS and number != signal.SIGINT:
        signal.raise_signal(number)
    raise KeyboardInterrupt(told) if number in SIGNALS else OSError(told)


def spoken(text: str) -> str:
    """Return a sentence about command-line options as one about arguments: `--at-most 3` becomes `at_most 3`.

    Data that were given as an object are called so, and not by the name of the file that they were written to.
    """
    # A whole command, which is to be typed in a shell, stays as it is.
    said = [
        part if part.startswith("dropbench ") else _OPTION.sub(lambda m: _FLAGS.get(m[0], m[1].replace("-", "_")), part)
        for part in _COMMAND.split(text)
    ]
    in_python = "".join(said)
    in_python = _DATA.sub(lambda m: (object_of(m[1]) or (m[0],))[0], in_python)
    return in_python.replace("the same command", "the same call").replace("extend train.epochs=", "extend=")


def forget() -> None:
    """Clear caches of files that may have changed since the last call. A command reads each file once."""
    loaded = sys.modules.get
    if (sources := loaded("dropbench.planning.sources")) is not None:
        sources.forget()
    for module, cached in (
        ("dropbench.config.parts", "_options_model"),
        ("dropbench.config.source_hash", "source_hash"),
        ("dropbench.execute.environment", "git_commit"),
        ("dropbench.planning.reproduce", "_option"),
    ):
        if (there := loaded(module)) is not None:
            getattr(there, cached).cache_clear()


def _shared() -> Iterator[tuple[Any, Any]]:
    """Yield functions that read and restore what a call changes for the whole process."""
    if threading.current_thread() is threading.main_thread():  # other threads get no signals and cannot set handlers
        for number in SIGNALS:
            yield partial(signal.getsignal, number), partial(_handled, number)
    yield random.getstate, random.setstate
    yield _hydra, _hydra_back
    yield _threads, _threads_back


def _handled(number: int, handler: Any) -> None:
    if handler is not None and signal.getsignal(number) is not handler:  # None: it was not set from Python
        signal.signal(number, handler)


def _hydra() -> Any:
    """Return Hydra's state, for a program that uses Hydra itself. Nothing is imported for this."""
    module = sys.modules.get("hydra.core.global_hydra")
    return module.GlobalHydra.instance().hydra if module else None


def _hydra_back(before: Any) -> None:
    if (module := sys.modules.get("hydra.core.global_hydra")) is not None:
        module.GlobalHydra.instance().hydra = before


def _threads() -> Any:
    """Return how many threads torch and other libraries use, since training sets these to `execute.threads`."""
    import torch
    from threadpoolctl import ThreadpoolController

    of_libraries = {c.filepath: c.num_threads for c in ThreadpoolController().lib_controllers}
    return torch.get_num_threads(), of_libraries


def _threads_back(before: Any) -> None:
    """Restore the numbers of threads. A library that was loaded meanwhile gets the largest earlier number."""
    import torch
    from threadpoolctl import ThreadpoolController

    threads, of_libraries = before
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    for library in ThreadpoolController().lib_controllers:
        wanted = of_libraries.get(library.filepath, max(of_libraries.values(), default=threads))
        if library.num_threads != wanted:
            library.set_num_threads(wanted)
