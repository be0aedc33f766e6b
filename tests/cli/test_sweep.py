"""`dropbench sweep`: its table, and how it is interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from terminal import TINY, dropbench, started


def test_more_seeds_of_the_same_arms_are_told_where_the_report_leaves_them_out(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A diagnosis proposes more seeds as a sweep of these alone."""
    words = ("sweep", *TINY, "dropout=none,standard")
    told = "are not in the report above; to compare all: dropbench report results"
    assert told not in dropbench(capsys, *words, "seed=0,1").err
    assert f"seeds 0-1 of these arms are stored too, and {told}" in dropbench(capsys, *words, "seed=2,3").err
    assert told not in dropbench(capsys, *words, "seed=range(0,4)").err
    other = ("sweep", *TINY, "dropout=none,gaussian", "seed=5")
    assert told not in dropbench(capsys, *other).err  # nothing but seeds of the baseline


def test_a_sweep_of_one_arm_says_how_to_compare_it_with_what_is_stored(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A diagnosis proposes a weaker version of an arm as a sweep of this alone."""
    told = "to compare it with the other runs that are stored: dropbench report results"
    words = ("sweep", *TINY, "seed=0,1")
    assert told not in dropbench(capsys, *words, "dropout=none").err  # nothing else is stored
    assert told in dropbench(capsys, *words, "dropout=standard").err
    assert told not in dropbench(capsys, *words, "dropout=none,standard").err


def test_a_grid_without_a_study_ends_with_its_table(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "sweep", *TINY, "dropout=none,standard", "seed=0,1")
    assert "mlp on wine" in said.out and "standard 0.5" in said.out
    said = dropbench(capsys, "sweep", *TINY, "dropout=none,standard", "seed=0,1", "--dry-run")
    assert (said.out, said.err) == ("nothing is left to train\n", "sweep: 4 runs, 4 finished already and skipped\n")


def test_an_interrupt_says_what_is_stored_and_leaves_no_worker(tmp_path: Path) -> None:
    """SIGINT to the whole process group, as a terminal sends it; then the same command goes on."""
    words = ["sweep", "data=wine", "model.widths=[4]", "train.epochs=1,100000", "seed=0,1"]
    words += ["execute.workers=2", "execute.cohort=1", "--json"]
    process = started(tmp_path, *words)
    runs = tmp_path / "results" / "runs"
    end = time.monotonic() + 60
    while time.monotonic() < end and len(list(runs.glob("[!.]*"))) < 2:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    last = re.sub(r", \d runs? in training (is|are) saved there", "", err.splitlines()[-1])
    assert (
        last
        == "Stopped: 2 of 4 runs had finished and are stored in results; run the same command again to continue from there"
    )
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):  # nobody is left in the group
        os.killpg(process.pid, 0)
    assert len(list(runs.glob("[!.]*"))) == 2


def test_without_an_estimate_nothing_is_timed(
    bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dropbench.execute.estimate.Durations.of", lambda *_: pytest.fail("a step was timed"))
    words = ("sweep", *TINY, "dropout=none,standard", "seed=0,1", "--dry-run", "--no-estimate")
    said = dropbench(capsys, *words)
    assert said.code == 0 and "cohort" in said.out and "about" not in said.out and "seeds, " not in said.out
    assert json.loads(dropbench(capsys, *words, "--json").out)["estimated_seconds"] is None
    assert not Path("results").exists()
