"""The origin of figures: processor, memory, versions and commit, without paths and host name."""

from __future__ import annotations

import os
import platform
import re
import resource
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dropbench.execute.environment import git_commit

_PACKAGES = ("torch", "numpy", "scikit-learn", "joblib", "lightning", "hydra-core", "hydra-joblib-launcher", "skorch")
_STACKED = ("jax", "optax", "tabm")


def provenance() -> dict[str, str]:
    """Return the strings `date` (UTC), `commit`, `machine` and `versions`."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": git_commit() or "unknown",
        "machine": f"{_processor()}, {_gibibytes():.0f} GiB, {platform.system()}, {_libraries()}",
        "versions": ", ".join([f"Python {platform.python_version()}", *_versions()]),
    }


class OtherWork:
    """Measures how much of a processor other programs use from now on; even a little slows multi-threaded work considerably."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), _busy() - _own()

    def share(self) -> float:
        """Return the share of one processor so far, 0 if nothing else ran; nan if it is unknown.

        The time of child processes counts as this process's own once they have ended.
        """
        wall, others = self._began
        return (_busy() - _own() - others) / (time.perf_counter() - wall)


def _busy() -> float:
    """Return the busy seconds of all processors since boot, including those taken by the host (steal)."""
    file = Path("/proc/stat")
    if not file.is_file():
        return float("nan")
    user, nice, system, _idle, _waiting, irq, soft, steal = map(int, file.read_text().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """Return the processor time in seconds of this process and its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def _versions() -> list[str]:
    installed = []
    for package in (*_PACKAGES, *_STACKED):
        try:
            installed.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return installed


def _libraries() -> str:
    """Return the libraries that multiply matrices for torch and for NumPy, the latter with its kernels for this processor."""
    import numpy as np
    import torch
    from threadpoolctl import threadpool_info

    built = {"MKL": r"Math Kernel Library Version ([\d.]+)", "oneDNN": r"MKL-DNN v([\d.]+)"}
    found = {name: re.search(pattern, torch.__config__.show()) for name, pattern in built.items()}
    of_torch = " and ".join(f"{name} {match[1]}" for name, match in found.items() if match)
    own = str(Path(np.__file__).resolve().parent.parent / "numpy.libs")  # SciPy has a library of its own
    of_numpy = [i for i in threadpool_info() if i["user_api"] == "blas" and i["filepath"].startswith(own)]
    told = [f"{i['internal_api']} {i['version']} ({i.get('architecture')})" for i in of_numpy]
    return f"torch with {of_torch or 'neither MKL nor oneDNN'}, NumPy with {', '.join(told) or 'an unknown BLAS'}"


def _processor() -> str:
    """Return the number of processors that this process may use, and their model."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{count} × {named[0] if named else platform.processor()}"


def _gibibytes() -> float:
    if not hasattr(os, "sysconf"):
        return float("nan")
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
