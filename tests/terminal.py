"""Runs dropbench as from a terminal: in this process, or in a separate one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from dropbench.cli.app import main
from dropbench.planning.sources import forget

TINY = ("data=wine", "train.epochs=1", "model.widths=[4]")
"""Overrides of a very short run."""


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


def dropbench(capsys: pytest.CaptureFixture[str], *words: str) -> Said:
    """Run a command in this process; return what it printed, and its exit code."""
    capsys.readouterr()
    forget()  # as a process of its own: two tests may have files of one name, each in its folder
    with patch.object(sys, "argv", ["dropbench", *words]), pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return Said(int(ended.value.code or 0), out, err)


def started(folder: Path, *words: str, output: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """Start dropbench in this folder, in its own process and session, so that signals to its group reach nothing else."""
    command = [sys.executable, "-m", "dropbench", *words]
    return subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, text=True, start_new_session=True)
