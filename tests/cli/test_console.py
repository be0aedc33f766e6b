"""What progress and tables look like, on a terminal of 80 columns and in a log."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from specs_kit import planned
from terminal import dropbench

from dropbench.cli.console import Shown, _score
from dropbench.cli.work import Work
from dropbench.execute.cohorts import Cohort
from dropbench.planning.plan import Plan


def shown_dry(plan: Plan, size: int, workers: int, seconds: float) -> None:
    """A dry run of a plan in cohorts of this size, on a CPU."""
    starts = range(0, len(plan.specs), size)
    cohorts = [Cohort(plan.specs[i : i + size], plan.outlines[plan.specs[i].run_id]) for i in starts]
    Shown(False, False).dry_run(plan, plan.specs, Work(cohorts, "cpu", workers, plan.settings), seconds)


def test_a_dry_run_names_arms_and_what_tells_them_apart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["study=three_arm", "train.lr=0.1,0.01", "model.widths=[4]", "data=wine", "seed=range(0,3)"]
    shown_dry(planned(*words), 9, workers=4, seconds=75.0)
    lines = [re.sub(" +", " ", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "arm model data dropout setting seeds parameters sites",
        "none mlp wine none lr=0.1 3 71 -",
        "reduced mlp wine standard lr=0.1 3 71 hidden.0=0.25",
        "target mlp wine standard lr=0.1 3 71 hidden.0=0.5",
        "none mlp wine none lr=0.01 3 71 -",
        "reduced mlp wine standard lr=0.01 3 71 hidden.0=0.25",
        "target mlp wine standard lr=0.01 3 71 hidden.0=0.5",
        "2 cohorts of 9 runs, 2 workers, cpu",
        "about 1 min 15 s, from timing a few steps of each kind of cohort",
    ]


def test_a_dry_run_shows_the_regularizers_beside_dropout(capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned("regularizer=none,[mixup,sam]", "dropout=none", "data=wine", "model.widths=[4]")
    shown_dry(plan, len(plan.specs), workers=1, seconds=1.0)
    lines = [re.sub(" +", " ", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "model data dropout beside seeds parameters sites"
    assert "mlp wine none mixup 0.2 + sam 0.05 1 71 -" in lines


def test_a_dry_run_counts_many_sites_of_one_rate(capsys: pytest.CaptureFixture[str]) -> None:
    for rates in ("{}", "{hidden.3: 0.1}"):
        plan = planned("model.widths=[4,4,4,4]", "data=wine", f"dropout.rates={rates}")
        shown_dry(plan, len(plan.specs), workers=1, seconds=1.0)
    out = capsys.readouterr().out
    assert "0.5 at 4 sites" in " ".join(out.split())
    assert out.count("hidden.0=0.5") == 1 and "hidden.3=0.1" in out


def test_lists_wrap_on_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    found = {"models": {"mlp": "word " * 40, "transformer": "short"}}
    shown = Shown(False, False)
    shown.options(found)
    assert len(capsys.readouterr().out.splitlines()) == 2
    screen = io.StringIO()
    shown._results = Console(file=screen, force_terminal=True, width=80, color_system=None)
    shown.options(found)
    lines = screen.getvalue().splitlines()
    assert len(lines) == 5 and max(map(len, lines)) <= 80
    assert lines[1].startswith(" " * 13 + "word")


@pytest.mark.parametrize(
    ("value", "gap", "shown"),
    [
        (371.4082, False, "371.4082"),
        (-0.25, True, "-0.2500"),
        (1082248.4318, False, "1,082,248.4"),
        (-143404.7182, True, "-143,404.7"),
        (1171261620224.0, False, "1.1713e+12"),
        (330964008960.0, True, "+3.3096e+11"),
    ],
)
def test_large_numbers_fit_a_terminal(value: float, gap: bool, shown: str) -> None:
    assert _score("rmse", "gap" if gap else "test", value) == shown


def test_a_record_that_cannot_be_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Shown(False, False).run(None, tmp_path)
    assert capsys.readouterr().err == f"Error: the record in {tmp_path} cannot be read\n"


def test_help_fits_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for command in ("train", "sweep", "report", "list"):
        out = dropbench(capsys, command, "--help").out
        assert max(map(len, out.splitlines())) <= 80
        assert "Examples" in out and "--quiet" in out
        assert f"dropbench {command}" in out
        assert "[[" not in out
