"""Which devices and how many workers `auto` stands for here, and which worker has which device.

Several devices are written as one text, `cuda:0,cuda:1`, as they are typed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from dropbench.errors import UsageError
from dropbench.settings import Settings


def resolve_device(wanted: str) -> str:
    """`auto` is CUDA where there is one, every card where there are several, else MPS, else the CPU.

    Raises UsageError for a device that is not here, and for several that do not go together.
    """
    import torch

    have = ["cpu"]
    if torch.backends.mps.is_available():
        have.append("mps")
    cards = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if cards:
        have += ["cuda", *cards]
    if wanted == "auto":
        return ",".join(cards) if len(cards) > 1 else "cuda" if cards else have[-1]
    names = each(wanted)
    for name in names:
        if name not in have:
            raise UsageError(f"device={name} is not available on this machine; valid: auto, {', '.join(have)}")
    if len(names) > 1 and (len(set(names)) < len(names) or not set(names) <= set(cards)):
        raise UsageError(
            f"device={wanted}: several devices are different cards of one machine, such as 'device=[cuda:0,cuda:1]'; "
            f"here are {', '.join(cards) or 'none'}"
        )
    return wanted


def resolve_workers(settings: Settings, device: str) -> int:
    """`auto` is one a core on a CPU. A card has one: its cohorts are large, and processes would share it badly."""
    if settings.execute.workers != "auto":
        return settings.execute.workers
    if kind(device) != "cpu":
        return len(each(device))
    return max(1, cores() // settings.execute.threads)


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(device: str) -> tuple[str, ...]:
    """One or several devices as torch names each."""
    return tuple(device.split(","))


def kind(device: str) -> str:
    """`cuda` of `cuda:0,cuda:1`."""
    return device.partition(":")[0]


def freest(device: str, taken: Sequence[str]) -> str:
    """Of these devices the one for one worker more: that which fewest have. taken: those of the workers that are there."""
    return min(each(device), key=taken.count)


def sharing(device: str, workers: int) -> int:
    """How many of so many workers have one device together, at most."""
    return math.ceil(workers / len(each(device)))


def told(device: str) -> str:
    """As a record names it: of several, runs on which are one comparison, the kind."""
    return device if len(each(device)) == 1 else kind(device)


def present(device: str) -> str:
    """The first of these devices or, where this machine has none such, its CPU: for what is measured here for elsewhere."""
    import torch

    first = each(device)[0]
    return first if kind(first) != "cuda" or torch.cuda.is_available() else "cpu"


def take(device: str) -> None:
    """Makes a card the one that this process means where code names none."""
    if device.startswith("cuda:"):
        import torch

        torch.cuda.set_device(device)
