"""A sweep in which everything diverged says so, whatever else it is to print."""

from __future__ import annotations

from pathlib import Path

import pytest
from terminal import TINY, dropbench


@pytest.mark.parametrize("options", [["--quiet"], ["--json"], []])
def test_a_sweep_says_it_however_quiet(bare: Path, capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    words = ["sweep", *TINY, "dropout=none,standard", "seed=0,1", "train.lr=1e30", "train.optimizer=sgd"]
    said = dropbench(capsys, *words, *options)
    assert said.code == 0
    shown = said.err if options else said.out
    assert "every run diverged (4 runs)" in " ".join(shown.split())
    if "--quiet" in options:
        assert said.out == ""
    if not options:
        assert "0 runs done, 4 diverged, in results; to see the page: dropbench ui results\n" in said.err
        quiet = dropbench(capsys, "report", "--quiet")
        assert quiet.out == "" and "Warning: mlp on wine: every run diverged" in quiet.err
