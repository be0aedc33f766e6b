"""What is told of a run's history once for all: its best epoch, and whether anything jumped."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench.store.epochs import BURST, Epochs, bursts, epochs_of

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
