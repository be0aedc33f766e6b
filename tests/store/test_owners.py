"""Which process a claim is of: one of this machine is known to have ended, of any other nothing is concluded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dropbench.process import alive
from dropbench.store.claims import Claims

RUNS = ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"]

needs_proc = pytest.mark.skipif(alive.this() is None, reason="needs /proc")

CLAIMING = """
import sys
from pathlib import Path
from dropbench.store.claims import Claims
claims = Claims(Path(sys.argv[1]))
print(claims.take(sys.argv[2:]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def claiming(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", CLAIMING, str(tmp_path), *RUNS]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == f"{RUNS}\n"
        yield other
        other.kill()


@needs_proc
def test_a_process_of_this_machine_that_was_killed_is_not_waited_for(
    claiming: subprocess.Popen[str], tmp_path: Path
) -> None:
    with Claims(tmp_path) as here:
        assert here.take(RUNS) == []
        claiming.kill()
        claiming.wait()
        assert here.take(RUNS) == RUNS
    assert not (tmp_path / "work").exists()


@needs_proc
@pytest.mark.parametrize("differs", ["node", "boot", "space"])
def test_nothing_is_concluded_of_a_process_of_another_machine_boot_or_container(differs: str) -> None:
    this = alive.this()
    assert this is not None and not this.has_ended(this)
    gone = replace(this, start="1")  # its number is another's by now
    assert gone.has_ended(this)
    assert replace(this, pid=2**31 - 2).has_ended(this)
    assert not replace(gone, **{differs: "another"}).has_ended(this)


@needs_proc
def test_a_zombie_has_ended(claiming: subprocess.Popen[str]) -> None:
    this = alive.this()
    assert this is not None
    found = alive._state_and_start(str(claiming.pid))
    assert found is not None
    theirs = replace(this, pid=claiming.pid, start=found[1])
    assert not theirs.has_ended(this)
    claiming.kill()
    os.waitid(os.P_PID, claiming.pid, os.WEXITED | os.WNOWAIT)  # dead, and not taken off the list yet
    assert theirs.has_ended(this)


@pytest.mark.parametrize(
    "tree", [None, 3, {}, {"pid": 1}, {"node": "a", "boot": "b", "space": "c", "pid": "1", "start": "2"}]
)
def test_a_process_that_cannot_be_read_is_none(tree: Any) -> None:
    assert alive.read(tree) is None
