"""The Ray cluster that the settings name: how many cohorts it has room for, and the connection to it."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from dropbench.errors import UsageError
from dropbench.hardware.device import cores
from dropbench.process.signals import SIGNALS
from dropbench.process.streams import output_to_errors
from dropbench.settings import Settings

_PATIENCE_S = 10.0
"""The time that a cluster gets to answer."""


class Node(NamedTuple):
    """The processors and cards of a machine."""

    cpus: float
    gpus: float


def room(settings: Settings) -> tuple[str, int, int]:
    """Returns the device of a cohort, how many cohorts train at once, and how many of them share a card (on a CPU: a machine).

    A cluster with an address is connected to and asked. A cluster that is still to be started on this machine will have this
    machine's resources.

    Raises
    ------
    UsageError
        If Ray is not installed, there is no such cluster, or it has no room for a cohort.
    """
    if find_spec("ray") is None:
        raise UsageError("execute=ray needs the package ray: pip install 'dropbench[ray]'")
    execute = settings.execute
    nodes = [_this_machine(settings)] if execute.address is None else _nodes(settings)
    cpus, gpus = shares(settings, any(node.gpus for node in nodes))
    fitting = [_fitting(node, cpus, gpus) for node in nodes]
    workers = sum(fitting) if execute.workers == "auto" else execute.workers
    if not workers:
        most = Node(max((n.cpus for n in nodes), default=0), max((n.gpus for n in nodes), default=0))
        raise UsageError(
            f"a cohort needs {cpus:g} processors and {gpus:g} GPUs, and no node of the cluster has that many now (the most are "
            f"{most.cpus:g} and {most.gpus:g}): lower execute.cpus or execute.gpus. If the cluster starts nodes when they are "
            "needed, set how many cohorts train at once: execute.workers=8"
        )
    together = int(1 / gpus + 1e-9) if gpus else min(max(fitting, default=1), cores())
    return "cuda" if gpus else "cpu", workers, max(1, min(together, workers))


def shares(settings: Settings, cards: bool) -> tuple[float, float]:
    """Returns the processors and the share of a card that a cohort takes. cards: whether the cluster has any.

    Raises UsageError if device and share contradict each other.
    """
    execute, device = settings.execute, settings.device
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(
            f"device={device}: Ray chooses the GPU of each cohort; write device=cuda execute.gpus=1, or device=cpu"
        )
    gpus = execute.gpus if execute.gpus != "auto" else float(device != "cpu" and cards)
    if bool(gpus) != (device == "cuda") and device != "auto":
        what = "a GPU that it does not use" if gpus else "no GPU" if cards else "no GPU, and the cluster has none"
        raise UsageError(
            f"device={device} execute.gpus={execute.gpus}: each cohort would get {what}; write device=auto"
        )
    return float(execute.threads) if execute.cpus == "auto" else execute.cpus, gpus


def connect(settings: Settings, workers: int) -> None:
    """Connects to the cluster, or starts one on this machine for `workers` cohorts, once per process.

    A cluster started here ends when this process exits. Raises UsageError if there can be no connection.
    """
    ray = library()
    if ray.is_initialized():
        return
    address = settings.execute.address
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here sends no usage statistics
    try:
        with _own_signals(), output_to_errors():
            if address is None:
                cpus = math.ceil(workers * shares(settings, bool(_this_machine(settings).gpus))[0])
                ray.init("local", num_cpus=cpus, include_dashboard=False, **quiet)
            else:
                _knock(address)
                ray.init(address, **quiet)
    except Exception as error:  # Ray and gRPC raise many kinds of exceptions
        told = str(error).strip().splitlines()
        why = f"{type(error).__name__}: {told[0]}" if told else type(error).__name__
        raise UsageError(
            f"no Ray cluster can be started on this machine: {why}"
            if address is None
            else f"execute.address={address}: cannot connect to a Ray cluster there ({why})"
        ) from error


def _knock(address: str) -> None:
    """Raises OSError if nothing answers at an address with a port, because Ray itself would keep trying for minutes."""
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S).close()


def library() -> Any:
    """Returns the module `ray`, imported on demand, and untyped because its annotations lack some of its options."""
    return import_module("ray")


def _this_machine(settings: Settings) -> Node:
    if settings.device == "cpu":  # torch need not be imported
        return Node(cores(), 0)
    import torch

    return Node(cores(), torch.cuda.device_count() if torch.cuda.is_available() else 0)


def _nodes(settings: Settings) -> list[Node]:
    connect(settings, 0)
    there = [node["Resources"] for node in library().nodes() if node["Alive"]]
    return [Node(has.get("CPU", 0.0), has.get("GPU", 0.0)) for has in there]


def _fitting(node: Node, cpus: float, gpus: float) -> int:
    """Returns how many cohorts a node has room for. A cohort's share of a card is always on a single card."""
    on_cpus = int(node.cpus / cpus + 1e-9)
    return min(on_cpus, int(node.gpus) * int(1 / gpus + 1e-9)) if gpus else on_cpus


@contextmanager
def _own_signals() -> Iterator[None]:
    """Context manager that restores the signal handlers, because Ray installs its own for SIGTERM when it starts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
