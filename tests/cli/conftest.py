"""A folder to run commands in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, on a simulated machine with only a CPU and without data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DROPBENCH_DATA", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    return tmp_path
