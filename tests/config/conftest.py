"""A folder of what a user adds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mine import bring


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a user's own classes; they are forgotten after."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    yield bring(tmp_path / "mine")
    for name in [n for n in sys.modules if n.startswith("my_")]:
        del sys.modules[name]
