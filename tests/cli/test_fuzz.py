"""Command lines that nobody would type: each ends with a sentence and exit code 0, 1 or 2, soon, and none in a traceback."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command_lines import LINES
from hypothesis import HealthCheck, example, given, settings
from terminal import TINY, dropbench


@contextmanager
def soon(seconds: int = 60) -> Iterator[None]:
    """Fails what takes longer: a hundred times what the slowest line takes."""

    def late(*_: Any) -> None:
        raise AssertionError(f"still at it after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def typed_in(bare: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with four runs in `results`."""
    (bare / "file").touch()
    said = dropbench(capsys, "sweep", *TINY, "dropout=none,standard", "seed=0,1", "execute.workers=1", "--json")
    assert said.code == 0 and len(json.loads(said.out)["runs"]) == 4
    return bare


def ends_well(line: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.rglob("*"))
    with soon():
        said = dropbench(capsys, *line)
    assert said.code in (0, 1, 2), said
    assert "Traceback" not in said.err + said.out and "bug in dropbench" not in said.err, said.err
    if said.code:
        assert said.err.strip() or not line, said
    assert sorted(folder.rglob("*")) == before


FUZZ = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
)


@settings(FUZZ, max_examples=200)
@given(LINES)
@example(["sweep", "--dry-run", "data._target_=shutil.rmtree", "data.root=file"])
def test_two_hundred_lines(typed_in: Path, capsys: pytest.CaptureFixture[str], line: list[str]) -> None:
    ends_well(line, typed_in, capsys)


@pytest.mark.slow
@settings(FUZZ, max_examples=2000)
@given(LINES)
def test_two_thousand_lines(typed_in: Path, capsys: pytest.CaptureFixture[str], line: list[str]) -> None:
    ends_well(line, typed_in, capsys)
