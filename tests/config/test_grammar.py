"""Hydra's grammar on our command line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench.config.grammar import parse
from dropbench.config.sweeps import expand
from dropbench.errors import UsageError
from dropbench.values import written

OPTIONS = {"model": ["cnn", "mlp", "rnn"], "dropout": ["none", "standard"]}


def options(group: str) -> list[str]:
    return OPTIONS.get(group, [])


def points(*words: str) -> list[list[str]]:
    return [list(point.values()) for point in expand(parse(words), options)]


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("dropout.rate=0.1,0.25", ["0.1", "0.25"]),
        ("seed=range(0,3)", ["0", "1", "2"]),
        ("seed=range(3)", ["0", "1", "2"]),
        ("dropout.rate=range(0.1,0.4,0.1)", ["0.1", "0.2", "0.3"]),
        ("seed=range(6,0,-2)", ["6", "4", "2"]),
        ("dropout.rate=range(0.5,0,-0.25)", ["0.5", "0.25"]),
        ("seed=sort(range(3),reverse=true)", ["2", "1", "0"]),
        ("seed=choice(3,1)", ["3", "1"]),
        ("seed=sort(3,1,2)", ["1", "2", "3"]),
        ("model=glob(*)", ["cnn", "mlp", "rnn"]),
        ("model=glob([c*,m*])", ["cnn", "mlp"]),
        ("model=glob(*,exclude=m*)", ["cnn", "rnn"]),
        ("model.widths=[8,8],[16]", ["[8,8]", "[16]"]),
        ("model.widths=[8, 8]", ["[8,8]"]),
        ("seed=1", ["1"]),
        ("train.lr=1e-3", ["0.001"]),
    ],
)
def test_values(word: str, values: list[str]) -> None:
    key = word.partition("=")[0]
    assert points(word) == [[f"{key}={value}"] for value in values]


@pytest.mark.parametrize("word", ['{"*": 0.5}', "{'*': 0.5}", "{*: 0.5}", '{"*":0.5}', '{ "*" : 0.5}'])
def test_keys_of_a_dict_may_be_quoted(word: str) -> None:
    assert points(f"dropout.rates={word}") == [["dropout.rates={*:0.5}"]]


def test_two_keys_of_a_dict() -> None:
    assert points('dropout.rates={"input": 0.2, "hidden.*": 0.5}') == [["dropout.rates={input:0.2,hidden.*:0.5}"]]


def test_a_quoted_value_keeps_its_quotes() -> None:
    assert points("model.label='a, b'") == [['model.label="a, b"']]


def test_a_grid_varies_the_last_fastest() -> None:
    assert points("model=mlp,cnn", "device=cpu", "seed=0,1") == [
        ["model=mlp", "device=cpu", "seed=0"],
        ["model=mlp", "device=cpu", "seed=1"],
        ["model=cnn", "device=cpu", "seed=0"],
        ["model=cnn", "device=cpu", "seed=1"],
    ]
    assert points() == [[]]


@pytest.mark.parametrize("word", ["", "dropout.rate", "=3", "~dropout", "a={b", "a=[1", "a=)"])
def test_what_cannot_be_read(word: str) -> None:
    with pytest.raises(UsageError, match=r"is not a setting|cannot read"):
        points(word)


@pytest.mark.parametrize(
    "word", ["seed=range(0,0)", "seed=range(0,3,0)", "model=glob(z*)", "seed=glob(*)", "dropout.rate=interval(0,1)"]
)
def test_sweeps_without_a_value(word: str) -> None:
    with pytest.raises(UsageError, match="^" + word.partition("=")[0]):
        points(word)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b.0", "*"]), inner, max_size=3),
    max_leaves=6,
)


@given(PLAIN)
def test_what_is_written_is_read_back(value: Any) -> None:
    (override,) = parse([f"key={written(value)}"])
    assert override.value() == value
