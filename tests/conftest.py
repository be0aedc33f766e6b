"""What every test shares: how hypothesis searches, one thread, a composer, and what a user brings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster
from hypothesis import settings
from mine import bring

from dropbench.config.compose import Composer, composer
from dropbench.engine import product_times
from dropbench.hardware import blas
from dropbench.hardware.blas import use_threads
from dropbench.process import workers

# Machines are shared and first examples pay for imports: time is no property here.
settings.register_profile("dropbench", deadline=None, max_examples=60)
settings.load_profile("dropbench")

use_threads(1)
workers.have_this_process()


@pytest.fixture(scope="session", autouse=True)
def _copies() -> Iterator[None]:
    """Workers are copies of this process, which know what a test has patched, whatever threads an earlier test has left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "_unknown_threads", lambda: False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _products() -> Iterator[None]:
    """Nothing here depends on which library is the fastest on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(product_times, "fastest", blas.default)
        yield


@pytest.fixture(scope="module")
def c() -> Iterator[Composer]:
    """A composer for the tests of a file, over conf/ alone."""
    with composer() as opened:
        yield opened


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of what a user adds (see mine.py), in the current folder; its classes are forgotten after."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    yield bring(tmp_path / "mine")
    for name in [n for n in sys.modules if n.startswith("my_")]:
        del sys.modules[name]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A Slurm cluster of commands on the path (see cluster.py), which trains nothing."""
    made = Cluster(tmp_path / "cluster")
    monkeypatch.setenv("PATH", f"{made.there}{os.pathsep}{os.environ['PATH']}")
    return made
