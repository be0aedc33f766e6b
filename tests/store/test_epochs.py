"""What is told of a run's history once for all: its best epoch, whether anything jumped, and how steady its end is."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench.store.epochs import BURST, Epochs, bursts, epochs_of, rebound

HEAD = "epoch,train_loss,val_loss,val_accuracy\n"


@pytest.mark.parametrize(
    ("history", "monitor", "direction", "epoch"),
    [
        ("1,1,3,.1\n2,1,2,.2\n3,1,2,.3\n", "val_loss", -1, 2),
        ("1,1,3,.1\n2,1,2,.2\n3,1,2,.3\n", "val_accuracy", 1, 3),
        ("1,1,3,.1\n2,1,2,.2\n3,1,2,.3\n", "val_accuracy", -1, 1),
        ("1,1,,\n2,1,2,.2\n3,1,,\n", "val_loss", -1, 2),
        ("1,1,nan,.1\n2,1,9,.2\n", "val_loss", -1, 2),
        ("1,1,3,.1\n2,1", "val_loss", -1, None),
        ("", "val_loss", -1, None),
        ("1,1,3,.1\n", "val_perplexity", -1, None),
        ("1,1,3,.1\n", "val_loss", 0, None),
    ],
)
def test_the_epoch_of_the_best_validation_score(
    tmp_path: Path, history: str, monitor: str, direction: int, epoch: int | None
) -> None:
    file = tmp_path / "history.csv"
    assert epochs_of(file, {}) == Epochs(damaged="it cannot be read: No such file or directory")
    file.write_text(HEAD + history)
    assert epochs_of(file, {"train": {"monitor": monitor}}).best(direction) == epoch


def test_a_jump_of_the_loss_or_of_the_gradient_is_told(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    told = {}
    for name, losses, norms in (("calm", "321", "1111"), ("spike", "313", "1111"), ("burst", "321", "111z")):
        rows = [f"{i + 1},{loss},{norm}" for i, (loss, norm) in enumerate(zip(losses + losses[-1], norms, strict=True))]
        file.write_text("\n".join(["epoch,train_loss,grad_norm", *rows]).replace("z", "99") + "\n")
        known = epochs_of(file, {})
        told[name] = known.spiked, known.burst
    assert told == {"calm": (False, False), "spike": (True, False), "burst": (False, True)}


@given(st.lists(st.floats(0, 100) | st.just(math.nan), max_size=30))
def test_a_burst_is_ten_times_the_median_of_all_before(norms: list[float]) -> None:
    seen = [v for v in norms if v == v]
    assert bursts(norms) == any(v > BURST * median(seen[:i]) and v > seen[0] for i, v in enumerate(seen) if i >= 3)


def test_of_the_last_quarter_is_told_how_far_the_loss_rises_and_how_the_scores_move(tmp_path: Path) -> None:
    """Epochs 16 to 20 of 20; what comes before is ten times as restless."""
    losses = [10.0, 1.0] * 8 + [2.0, 1.0, 4.0, 0.5]
    scores = [0.0, 1.0] * 8 + [0.5, 0.6, 0.4, 0.4]
    file = tmp_path / "history.csv"

    def told(rows: list[str]) -> tuple[float | None, dict[str, float]]:
        file.write_text("\n".join(["epoch,train_loss,val_accuracy,gap_accuracy", *rows]) + "\n")
        known = epochs_of(file, {})
        return known.rebound, {name: round(moved, 9) for name, moved in known.moves.items()}

    rows = [f"{at},{loss},{score},0" for at, (loss, score) in enumerate(zip(losses, scores, strict=True), 1)]
    assert told(rows) == (4.0, {"val_accuracy": round((0.5**2 + 0.1**2 + 0.2**2) / 4, 9)})
    assert told(rows[:19]) == (None, {}), "a quarter of four epochs says little"
    rows[-1] = "20,,,"
    assert told(rows) == (None, {}), "and so does one with four that were evaluated"


@given(st.lists(st.floats(0, 1e6), max_size=12))
def test_a_rebound_is_the_largest_ratio_of_a_loss_to_one_before(losses: list[float]) -> None:
    seen = [max(v, 1e-7) for v in losses]
    ratios = [late / early for i, late in enumerate(seen) for early in seen[: i + 1]]
    assert rebound(losses) == (pytest.approx(max(ratios)) if ratios else None)


def test_a_negative_loss_has_no_ratio() -> None:
    assert rebound([1.0, -1.0, 2.0]) is None
