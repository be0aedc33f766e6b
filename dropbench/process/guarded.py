"""Runs users' code in this process: its output is not part of the result, and global settings that it changes are restored."""

from __future__ import annotations

import locale
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

from dropbench.process.streams import output_to_errors

Setting = tuple[Callable[[], Any], Callable[[Any], Any]]
"""Functions that read and set a setting."""


@contextmanager
def guarded() -> Iterator[None]:
    """Context manager that sends standard output to standard error, and then restores settings that could affect other runs."""
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        for read, write in (*_of_process(), *_of_torch()):
            with suppress(Exception):  # the current folder may be gone, the locale unknown
                stack.callback(_back, read, write, read())
        stack.enter_context(output_to_errors())
        yield


def _back(read: Callable[[], Any], write: Callable[[Any], Any], value: Any) -> None:
    with suppress(Exception):
        if read() != value:  # setting some of them is slow
            write(value)


def _of_process() -> Iterator[Setting]:
    """Yields the settings of the process: streams, current folder, locale and, in the main thread, signal handlers."""
    for name in ("stdin", "stdout", "stderr", "excepthook"):
        yield partial(getattr, sys, name), partial(setattr, sys, name)
    yield os.getcwd, os.chdir
    yield partial(locale.setlocale, locale.LC_ALL), partial(locale.setlocale, locale.LC_ALL)
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE", "SIGALRM", "SIGCHLD"):
            if (number := getattr(signal, name, None)) is not None:
                yield partial(signal.getsignal, number), partial(signal.signal, number)


def _of_torch() -> Iterator[Setting]:
    """Yields torch's global settings."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return
    yield torch.get_num_threads, torch.set_num_threads
    yield torch.get_default_dtype, torch.set_default_dtype
    yield torch.get_default_device, lambda device: torch.set_default_device(None if str(device) == "cpu" else device)
    yield torch.is_grad_enabled, torch.set_grad_enabled
    yield torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly
    yield torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    yield (
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda strict: torch.use_deterministic_algorithms(strict[0], warn_only=strict[1]),
    )
    for name in ("benchmark", "deterministic", "allow_tf32"):
        yield partial(getattr, torch.backends.cudnn, name), partial(setattr, torch.backends.cudnn, name)
