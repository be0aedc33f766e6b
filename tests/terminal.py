"""dropbench as it is called from a terminal, without starting a process."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from unittest.mock import patch

import pytest

from dropbench.cli.app import main

TINY = ("data=wine", "train.epochs=1", "model.widths=[4]")
"""Overrides of a run that takes no time."""


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


def dropbench(capsys: pytest.CaptureFixture[str], *words: str) -> Said:
    """What a command printed, and its exit code."""
    capsys.readouterr()
    with patch.object(sys, "argv", ["dropbench", *words]), pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return Said(int(ended.value.code or 0), out, err)
