"""The environment in which runs are trained: versions, libraries and device, as records and checkpoints store them."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dropbench.hardware.blas import products


def made_with(device: str, threads: int) -> dict[str, Any]:
    """Returns what the last bits of a run's numbers depend on besides its configuration and the processor."""
    return {
        "versions": versions(),
        "device": device.partition(":")[0],
        "threads": threads,
        "products": products(device),
    }


@cache
def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that a run's numbers depend on."""
    of_packages = {"python": platform.python_version()}
    for package in ("dropbench", "torch", "numpy"):
        try:
            of_packages[package] = version(package)
        except PackageNotFoundError:
            of_packages[package] = "unknown"
    return of_packages


@cache
def git_commit() -> str | None:
    """Returns the commit of the checkout with this code, with `-dirty` if files differ; None if the package is installed."""
    package = Path(__file__).parents[1]
    if not (package.parent / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-C", str(package.parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return described.stdout.strip() or None
