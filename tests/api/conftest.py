"""One small sweep through the Python API, which several tests use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

import dropbench as db


@dataclass(frozen=True)
class Swept:
    answer: db.Answer
    results: Path
    small: tuple[str, ...]
    """The overrides of its runs."""


SMALL = ("data=wine", "train.epochs=2", "model.widths=[4]", "execute.workers=1")
"""Overrides of very short runs that train in this process."""


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """Three arms under six seeds."""
    results = tmp_path_factory.mktemp("swept") / "results"
    answer = db.sweep("study=three_arm", *SMALL, {"seed": range(6), "results": results}, quiet=True)
    return Swept(answer, results, SMALL)
