"""Which device and how many workers `auto` stands for here."""

from __future__ import annotations

import os

from dropbench.errors import UsageError
from dropbench.settings import Settings


def resolve_device(wanted: str) -> str:
    """`auto` is CUDA where there is one, else MPS, else the CPU. Raises UsageError for a device that is not here."""
    import torch

    have = ["cpu"]
    if torch.backends.mps.is_available():
        have.append("mps")
    if torch.cuda.is_available():
        have += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if wanted == "auto":
        return "cuda" if "cuda" in have else have[-1]
    if wanted not in have:
        raise UsageError(f"device={wanted} is not available on this machine; valid: auto, {', '.join(have)}")
    return wanted


def resolve_workers(settings: Settings, device: str) -> int:
    """`auto` is one a core on a CPU. An accelerator has one: its cohorts are large, and processes would share it badly."""
    if settings.execute.workers != "auto":
        return settings.execute.workers
    if device != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // settings.execute.threads)
