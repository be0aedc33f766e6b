"""A folder to run commands in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from run_folders import WINE
from terminal import dropbench

from dropbench.store import Store


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, on a simulated machine with only a CPU and without data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DROPBENCH_DATA", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    return tmp_path


@pytest.fixture
def swept(bare: Path, capsys: pytest.CaptureFixture[str]) -> Store:
    """Four runs in results/, trained in one process."""
    assert dropbench(capsys, "sweep", *WINE, "execute.workers=1", "-q").code == 0
    return Store(bare / "results")
