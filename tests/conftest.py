"""Shared by all tests: hypothesis settings, one thread, a composer, and a folder with a user's own parts."""

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

# Deadlines are off, because machines are shared and the first example includes the time of imports.
settings.register_profile("dropbench", deadline=None, max_examples=60)
settings.load_profile("dropbench")

use_threads(1)
workers.have_this_process()


@pytest.fixture(scope="session", autouse=True)
def _copies() -> Iterator[None]:
    """Fork workers from this process, so that patches of a test apply to them, even if earlier tests have left threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "_unknown_threads", lambda: False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _products() -> Iterator[None]:
    """Use the default library for matrix products, so that tests do not depend on which is fastest on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(product_times, "fastest", blas.default)
        yield


@pytest.fixture(scope="module")
def c() -> Iterator[Composer]:
    """A composer for the tests of a file, with only conf/."""
    with composer() as opened:
        yield opened


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a user's own parts (see mine.py), in the current folder; its modules are unloaded afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    yield bring(tmp_path / "mine")
    for name in [n for n in sys.modules if n.startswith("my_")]:
        del sys.modules[name]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A fake Slurm cluster of commands on the path (see cluster.py), which trains nothing."""
    made = Cluster(tmp_path / "cluster")
    monkeypatch.setenv("PATH", f"{made.there}{os.pathsep}{os.environ['PATH']}")
    return made
