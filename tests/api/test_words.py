"""Settings as Python has them mean what they mean on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dropbench.api.call import spoken
from dropbench.api.overrides import words
from dropbench.config.compose import Composer
from dropbench.config.grammar import parse
from dropbench.errors import UsageError
from dropbench.planning.expand import points

VALUES = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6) | st.text(min_size=1)


@given(value=VALUES | st.lists(VALUES, min_size=1, max_size=3))
def test_a_value_of_a_mapping_is_that_value(value: Any) -> None:
    (typed,) = words([{"model.args.x": value}])
    (read,) = parse([typed])
    escaped = read.value()
    assert escaped == rounded(value) or "${" in str(value)


def rounded(value: Any) -> Any:
    """A value with floats as they have at most 15 digits, which every float with so few digits has to the last bit."""
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.14e}") if isinstance(value, float) else value


def test_a_number_that_was_computed_is_the_number_that_is_meant() -> None:
    assert words([{"dropout.rate": tuple(np.linspace(0.1, 0.5, 5))}]) == ["dropout.rate=0.1,0.2,0.3,0.4,0.5"]
    assert words([{"dropout.rate": 0.1 + 0.2}, {"train.lr": np.float32(0.3)}, {"x": torch.tensor(0.1)}]) == [
        "dropout.rate=0.3", "train.lr=0.3", "x=0.1",
    ]  # fmt: skip
    assert words([{"train.lr": float("inf")}]) == ["train.lr=inf"]


def test_several_values_are_a_sweep(c: Composer) -> None:
    rates = points(words([{"dropout.rate": (0.1, np.float64(0.5))}, {"seed": range(3)}]), c, 100)
    assert [(p["dropout.rate"], p["seed"]) for p in rates] == [
        (f"dropout.rate={rate}", f"seed={seed}") for rate in ("0.1", "0.5") for seed in (0, 1, 2)
    ]
    assert len(points(words([{"seed": range(0, 10, 5)}]), c, 100)) == 2
    assert len(points(words([{"model.widths": [8, 8]}]), c, 100)) == 1


@pytest.mark.parametrize("seeds", [[0, 1], (0, 1), np.arange(2), torch.arange(2), pd.Series([0, 1])])
def test_several_seeds_may_be_a_list_or_an_array(seeds: Any) -> None:
    assert words([{"seed": seeds}]) == ["seed=0,1"]


def test_an_array_is_one_number_or_is_asked_about() -> None:
    assert words([{"train.lr": np.float64(0.1), "seed": torch.tensor(3), "train.epochs": np.array([2])}]) == [
        "train.lr=0.1",
        "seed=3",
        "train.epochs=2",
    ]
    with pytest.raises(UsageError, match=r"^train\.lr: an array may be one value or several: write tuple"):
        words([{"train.lr": np.array([0.1, 0.2])}])


def test_the_keys_of_a_node_may_be_a_mapping() -> None:
    given = {"train": {"lr": 0.1, "epochs": (1, 2)}, "dropout.rates": {"input": 0.2}, "model": "cnn"}
    assert words([given]) == ["train.lr=0.1", "train.epochs=1,2", 'dropout.rates={"input": 0.2}', "model=cnn"]


def test_an_object_is_no_value() -> None:
    with pytest.raises(UsageError, match=r"^model\.args\.config: a object cannot be .* def make"):
        words([{"model.args.config": object()}])
    with pytest.raises(UsageError, match=r"^train\.lr: a object cannot be written .* lists and dicts$"):
        words([{"train.lr": [object()]}])


def test_folders_are_taken_as_they_are() -> None:
    assert words([{"results": Path("a b,c")}, {"data.root": "~x"}, {"data.path": Path("d e.csv")}]) == [
        "results=a b,c",
        "data.root=./~x",
        "data.path=d e.csv",
    ]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--at-most 3: ten seeds", "at_most 3: ten seeds"),
        ("type --extend train.epochs=60", "type extend=60"),
        ("train it with train.save=best --force, or", "train it with train.save=best force=True, or"),
        ("a -- b --x", "a -- b x"),
        ("no option", "no option"),
    ],
)
def test_options_are_spoken_of_as_arguments(typed: str, said: str) -> None:
    assert spoken(typed) == said


@pytest.mark.parametrize(
    "command",
    [
        "`dropbench train --cfg` shows every key",
        "it is damaged; dropbench runs verify --json says why; leave out at_most",
    ],
)
def test_a_command_for_the_shell_stays_as_it_is(command: str) -> None:
    assert spoken(command) == command
    assert spoken("--at-most 3: " + command) == "at_most 3: " + command
