"""One call from Python: what the command could take for granted in a process of its own, and here is somebody else's."""

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
from dropbench.process.signals import SIGNALS

_one = threading.RLock()
"""Hydra keeps its state in one place for the whole process, so calls of several threads wait for each other."""
_OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")
_FLAGS = {"--force": "force=True", "--until-settled": "until_settled=True", "--explain": "explain=True"}


@contextmanager
def call(*, trains: bool = False) -> Iterator[None]:
    """While it runs, mistakes are spoken of as Python has them; afterwards the process is as it was.

    Parameters
    ----------
    trains : bool
        Whether something may be trained in it.

    Raises
    ------
    UsageError
        For a mistake of the user's: one sentence.
    KeyboardInterrupt
        On Ctrl-C, once what is in training is saved; the message says what is stored.
    OSError
        Where trained runs could not be stored.
    """
    with _one, ExitStack() as stack:
        for read, write in _shared() if trains else ():
            stack.callback(write, read())
        forget()
        try:
            yield
            return
        except UsageError as error:
            raise UsageError(spoken(str(error))) from error
        except Interrupted as error:
            stopped = error
    # The handlers of the process are its own again.
    number, told = stopped.code - 128, spoken(str(stopped))
    if number in SIGNALS and number != signal.SIGINT:
        signal.raise_signal(number)
    raise KeyboardInterrupt(told) if number in SIGNALS else OSError(told)


def spoken(text: str) -> str:
    """A sentence about options of the command line as one about arguments: `--at-most 3` is `at_most 3`."""
    in_python = _OPTION.sub(lambda m: _FLAGS.get(m[0], m[1].replace("-", "_")), text)
    return in_python.replace("the same command", "the same call").replace("extend train.epochs=", "extend=")


def forget() -> None:
    """Forgets what was read of files that may have changed since the last call. A command reads each once."""
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
    """What a call changes for the whole process: how it is read, and how it is set."""
    if threading.current_thread() is threading.main_thread():  # others neither have signals nor may ask for them
        for number in SIGNALS:
            yield partial(signal.getsignal, number), partial(_handled, number)
    yield random.getstate, random.setstate
    yield _hydra, _hydra_back
    yield _threads, _threads_back


def _handled(number: int, handler: Any) -> None:
    if handler is not None and signal.getsignal(number) is not handler:  # None: it was set by no Python code
        signal.signal(number, handler)


def _hydra() -> Any:
    """What a program that is itself one of Hydra's has set up; nothing of that is imported for it."""
    module = sys.modules.get("hydra.core.global_hydra")
    return module.GlobalHydra.instance().hydra if module else None


def _hydra_back(before: Any) -> None:
    if (module := sys.modules.get("hydra.core.global_hydra")) is not None:
        module.GlobalHydra.instance().hydra = before


def _threads() -> Any:
    """How many threads torch and the other libraries use. Training has them use those of `execute.threads`."""
    import torch
    from threadpoolctl import ThreadpoolController

    of_libraries = {c.filepath: c.num_threads for c in ThreadpoolController().lib_controllers}
    return torch.get_num_threads(), of_libraries


def _threads_back(before: Any) -> None:
    """A library that was loaded meanwhile gets as many as the one that had most."""
    import torch
    from threadpoolctl import ThreadpoolController

    threads, of_libraries = before
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    for library in ThreadpoolController().lib_controllers:
        wanted = of_libraries.get(library.filepath, max(of_libraries.values(), default=threads))
        if library.num_threads != wanted:
            library.set_num_threads(wanted)
