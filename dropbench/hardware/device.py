"""The devices and the number of workers that `auto` means on this machine, and which worker uses which device.

Several devices are one string, `cuda:0,cuda:1`, as they are typed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from dropbench.errors import UsageError
from dropbench.settings import Settings


def resolve_device(wanted: str) -> str:
    """Returns the device: `auto` is CUDA if available (every card if there are several), else MPS, else the CPU.

    Raises UsageError for an unavailable device, and for several that cannot be used together.
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
            f"device={wanted}: several devices must be different GPUs of one machine, such as 'device=[cuda:0,cuda:1]'; "
            f"GPUs here: {', '.join(cards) or 'none'}"
        )
    return wanted


def resolve_workers(settings: Settings, device: str) -> int:
    """Returns the number of workers: `auto` is one per CPU core, and one per accelerator.

    An accelerator trains large cohorts, and several processes would share it badly.
    """
    if settings.execute.workers != "auto":
        return settings.execute.workers
    if kind(device) != "cpu":
        return len(each(device))
    if settings.execute.slurm is not None:  # what a task asks for; not every cluster has a task see no more than that
        return max(1, settings.execute.slurm.cpus // settings.execute.threads)
    return max(1, cores() // settings.execute.threads)


def cores() -> int:
    """Returns how many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(device: str) -> tuple[str, ...]:
    """Splits one or several devices into their names in torch."""
    return tuple(device.split(","))


def kind(device: str) -> str:
    """Returns the type of a device: `cuda` for `cuda:0,cuda:1`."""
    return device.partition(":")[0]


def freest(device: str, taken: Sequence[str]) -> str:
    """Returns the device that the fewest workers use. taken: the devices of the running workers."""
    return min(each(device), key=taken.count)


def sharing(device: str, workers: int) -> int:
    """Returns how many of these workers share one device, at most."""
    return math.ceil(workers / len(each(device)))


def told(device: str) -> str:
    """Returns the name for a record: the type alone if there are several, since runs on all of them are compared."""
    return device if len(each(device)) == 1 else kind(device)


def present(device: str) -> str:
    """Returns the first of these devices, or the CPU if this machine has none of them: to measure here what runs elsewhere."""
    import torch

    first = each(device)[0]
    return first if kind(first) != "cuda" or torch.cuda.is_available() else "cpu"


def take(device: str) -> None:
    """Makes a card this process's default CUDA device."""
    if device.startswith("cuda:"):
        import torch

        torch.cuda.set_device(device)
