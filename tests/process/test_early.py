"""Ctrl-C while the command imports its modules is no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import dropbench

INTERRUPTS = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "dropbench.errors":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize(("words", "ours"), [(["-m", "dropbench", "list"], True), (["-c", "import dropbench"], False)])
def test_ctrl_c_while_modules_are_imported(tmp_path: Path, words: list[str], ours: bool) -> None:
    """A program that only imports dropbench gets the KeyboardInterrupt that it may expect."""
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTS)
    paths = os.pathsep.join([str(tmp_path), str(Path(dropbench.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, *words], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGINT
    assert ("KeyboardInterrupt" not in done.stderr) == ours == (done.stderr == "")
