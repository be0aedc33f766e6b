"""A small sweep with loggers, in this process: two arms, two seeds, three epochs, validation in the second and last epoch."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweeping import Sweep
from terminal import Said, dropbench

SMALL = (
    "dropout=none,standard",
    "seed=0,1",
    "data.n_train=80",
    "model.widths=[8]",
    "train.epochs=3",
    "train.eval_every=2",
    "execute.cohort=2",
)


@pytest.fixture
def sweep(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Sweep:
    """A function: sweep("csv", ...) trains into tmp_path / results with these loggers; `words` are further arguments."""

    def run(loggers: str, *words: str, results: str = "results") -> Said:
        given = (f"results={tmp_path / results}", f"train.loggers=[{loggers}]")
        return dropbench(capsys, "sweep", *SMALL, *given, *(words or ("execute.workers=1",)))

    return run
