"""What a plan could find is said before it is trained, and that too few seeds can confirm nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from terminal import TINY, dropbench

from dropbench.report.statistics.power import findable


def test_a_dry_run_says_what_could_be_found(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = ["dropout=none,standard", "dropout.rate=0.2,0.5", *TINY]
    few, some = (dropbench(capsys, "sweep", *grid, f"seed=range(0,{n})", "--dry-run").out for n in (5, 12))
    assert "5 seeds, 2 arms beside the baseline: nothing can be confirmed" in " ".join(few.split())
    said = re.search(r"12 seeds, 2 arms beside .* by (\d\.\d) times the spread", " ".join(some.split()))
    assert said is not None and float(said[1]) == pytest.approx(findable(12, 2), abs=0.05)
    told = json.loads(dropbench(capsys, "sweep", *grid, "seed=range(0,12)", "--dry-run", "--json").out)
    assert told["design"] == {"seeds": 12, "arms": 2, "effect": findable(12, 2)}
    few_json = dropbench(capsys, "sweep", *grid, "seed=range(0,5)", "--dry-run", "--json").out
    assert json.loads(few_json, parse_constant=pytest.fail)["design"]["effect"] is None
    alone = dropbench(capsys, "sweep", *TINY, "seed=range(0,8)", "--dry-run").out
    assert "beside the baseline" not in alone and not Path("results").exists()


def test_more_seeds_find_less_and_more_arms_only_more() -> None:
    assert findable(6, 1) > findable(10, 1) > findable(30, 1) > 0.4
    assert findable(8, 1) < findable(8, 20) < 2 * findable(8, 1)
    assert findable(8, 30) > 0 and findable(8, 60) == pytest.approx(findable(8, 30), rel=0.3)
