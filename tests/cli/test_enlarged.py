"""A grid that grows trains what is new alone, and a record that is damaged costs a line and its own run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from terminal import TINY, dropbench

SMALL = ("sweep", *TINY, "dropout=none,standard", "execute.workers=1")


def times(results: Path) -> dict[str, int]:
    """When each record was written."""
    return {run.name: (run / "record.json").stat().st_mtime_ns for run in (results / "runs").iterdir()}


def test_a_larger_grid_trains_what_is_new_alone(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, *SMALL, "dropout.rate=0.5", "seed=0,1", "--quiet").code == 0
    before = times(bare / "results")
    said = dropbench(capsys, *SMALL, "dropout.rate=0.3,0.5", "seed=0,1,2", "--json")
    assert said.code == 0 and json.loads(said.out)["trained"] == 9 - 4
    after = times(bare / "results")
    assert len(after) == 9 and {run: after[run] for run in before} == before


def test_a_damaged_record_costs_one_line_and_its_own_run(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, *SMALL, "seed=0,1", "--quiet").code == 0
    damaged = sorted((bare / "results" / "runs").iterdir())[0]
    (damaged / "record.json").write_text('{"run_id": ')
    said = dropbench(capsys, "report")
    assert said.code == 0 and "mlp on wine" in said.out
    assert sum("Skipped 1 record" in line for line in said.out.splitlines()) == 1
    assert "3 of 4 runs have ended" in dropbench(capsys, "runs", "status").out
    said = dropbench(capsys, *SMALL, "seed=0,1", "--json")
    assert said.code == 0 and json.loads(said.out)["trained"] == 1
    assert dropbench(capsys, "runs", "verify").code == 0
