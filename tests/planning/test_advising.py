"""What `dropbench advise` chooses to compare, and how much of it fits the time."""

from __future__ import annotations

import pytest

from dropbench.config.compose import Composer
from dropbench.errors import UsageError
from dropbench.planning.advising import FACTORS, FEWEST, MOST, TUNING_SEEDS, Protocol, fitted, protocol
from dropbench.planning.plan import make


def value(chosen: Protocol, key: str) -> str | None:
    return next((t.partition("=")[2] for t in chosen.overrides if t.partition("=")[0] == key), None)


def test_rates_of_standard_and_what_fits_the_model(c: Composer) -> None:
    dense, maps = protocol(["data=wine"], c), protocol(["data=digits", "model=cnn"], c)
    arms = {run for table in make([*dense.overrides, "seed=0"], c).tables.values() for run in table}
    assert arms == {"none", "standard 0.1", "standard 0.25", "standard 0.5"} and dense.arms == 4
    more = {run for table in make([*maps.overrides, "seed=0"], c).tables.values() for run in table}
    assert more == arms | {"spatial 0.2"} and maps.arms == 5


def test_training_has_about_as_many_updates_whatever_the_data(c: Composer) -> None:
    small, large = protocol(["data=wine"], c), protocol(["data=digits", "train.batch_size=8"], c)
    assert (small.epochs, large.epochs) == (200, 21)
    assert value(small, "train.patience") == "40"


def test_what_was_typed_stays(c: Composer) -> None:
    typed = ["data=wine", "train.epochs=7", "train.patience=2"]
    chosen = fitted(protocol(typed, c), 1e6, 1, typed)
    assert (chosen.epochs, value(chosen, "train.epochs"), value(chosen, "train.patience")) == (7, "7", "2")
    assert [t.partition("=")[0] for t in chosen.overrides].count("train.epochs") == 1


def test_a_typed_learning_rate_is_the_middle_of_those_that_are_tuned(c: Composer) -> None:
    chosen = protocol(["data=wine", "train.lr=0.01"], c)
    assert chosen.tune == ("train.lr=0.003,0.01,0.03",) and value(chosen, "train.lr") is None


@pytest.mark.parametrize(
    "typed", ["dropout=spatial", "dropout.rate=0.3", "study=three_arm", "seed=0", "dropout/schedule=late"]
)
def test_what_is_chosen_here_is_not_typed(c: Composer, typed: str) -> None:
    with pytest.raises(UsageError, match=r"advise chooses this itself; leave it out, or use dropbench sweep"):
        protocol(["data=wine", typed], c)


def test_less_time_is_fewer_epochs_and_never_fewer_than_six_seeds() -> None:
    whole = Protocol(("data=wine", "train.epochs=200", "train.patience=40"), ("train.lr=1,2,3",), 4, 200)
    runs = 4 * len(FACTORS) * TUNING_SEEDS
    ample, short, tiny = (fitted(whole, seconds, 1, ["data=wine"]) for seconds in (0.1 * runs, 2 * runs, 1000 * runs))
    assert (ample.epochs, ample.at_most) == (200, MOST)
    assert FEWEST <= short.at_most < MOST and short.epochs == 85 and value(short, "train.patience") == "17"
    assert (tiny.epochs, tiny.at_most) == (5, FEWEST)
