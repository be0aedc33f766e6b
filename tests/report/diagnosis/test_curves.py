"""What the diagnosis reads off a run's history."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench.report.diagnosis.curves import both_reach, ends_at_best
from dropbench.report.records.history import columns
from dropbench.report.records.measures import Measure
from dropbench.store import Measure as Declaration
from dropbench.store.epochs import bursts, spikes

HIGH, LOW = (Measure("val", "score", Declaration(better)) for better in ("higher", "lower"))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_both_reach_is_symmetric_and_reached(ours: list[float], theirs: list[float]) -> None:
    """No arm is slower than itself, and swapping the arms swaps the epochs."""
    a = {"epoch": range(1, len(ours) + 1), "val_score": ours}
    b = {"epoch": range(1, len(theirs) + 1), "val_score": theirs}
    there = both_reach(a, b, HIGH)
    assert there is not None
    score = min(max(ours), max(theirs))
    assert ours[there[0] - 1] >= score and max(ours[: there[0] - 1], default=-1) < score
    assert both_reach(b, a, HIGH) == there[::-1]
    same = both_reach(a, a, LOW)
    assert same is not None and same[0] == same[1]


def test_epochs_without_an_evaluation_are_passed_over() -> None:
    nan = math.nan
    a = {"epoch": (1, 2, 3, 4), "val_score": (nan, 0.5, nan, 0.9)}
    assert both_reach(a, {"epoch": (1, 2), "val_score": (0.5, 0.9)}, HIGH) == (4, 2)
    assert both_reach(a, {"epoch": (1,), "val_score": (nan,)}, HIGH) is None
    assert ends_at_best([a], HIGH) and not ends_at_best([a], LOW) and not ends_at_best([], HIGH)


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=30))
def test_a_loss_that_only_falls_has_no_spike(losses: list[float]) -> None:
    falling = sorted(losses, reverse=True)
    assert not spikes(falling)
    assert not bursts(falling)
    assert spikes([falling[0] + 1, falling[-1] / 2, falling[0] + 1])


@pytest.mark.parametrize("text", ["", "epoch\n", "epoch,val\n1\n", "epoch,val\n1,x\n", "\xff"])
def test_a_history_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "history.csv").write_text(text, encoding="latin-1")
    assert columns(tmp_path / "history.csv") == {}
    assert columns(tmp_path / "absent.csv") == {}
