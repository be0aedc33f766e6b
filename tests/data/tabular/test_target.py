"""What is to be predicted: classes or numbers, told by the look of the column unless the user says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dropbench.data.tabular.target import Asked, target_of
from dropbench.errors import UsageError


def cells(values: list[Any]) -> pd.Series:
    return pd.Series(values, name="y")


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["b", "a"] * 10, "classify", ("a", "b")),
        ([True, False] * 10, "classify", ("False", "True")),
        ([10, 9, 2] * 10, "classify", ("2", "9", "10")),  # in the order of numbers
        ([1.0, 0.0] * 10, "classify", ("0", "1")),
        ([0.5, 1.5] * 10, "classify", ("0.5", "1.5")),
        (list(range(20)) * 10, "classify", tuple(map(str, range(20)))),
        (list(range(21)) * 10, "regress", ()),
        ([0.5, 1.5, 2.5] * 10, "regress", ()),
    ],
)
def test_the_task(values: list[Any], task: str, classes: tuple[str, ...]) -> None:
    found = target_of(cells(values), "auto")
    assert (found.task, found.classes) == (task, classes)
    if task == "classify":
        told = [classes[i] for i in found.y]
        assert [float(t) if isinstance(values[0], float) or type(values[0]) is int else t for t in told] == [
            str(v) if isinstance(v, bool) else v for v in values
        ]


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=15).filter(
        lambda v: min(map(v.count, set(v))) > 1 < len(set(v))
    )
)
def test_labels_are_places_among_the_classes(values: list[str]) -> None:
    found = target_of(cells(values), "classify")
    assert [found.classes[i] for i in found.y] == values


def test_what_the_user_says_wins() -> None:
    assert target_of(cells([0, 1] * 10), "regress").y.dtype == torch.float32
    assert target_of(cells([0.5, 1.5, 2.5] * 10), "classify").classes == ("0.5", "1.5", "2.5")


def test_that_whole_numbers_are_read_as_classes_is_said_where_it_could_be_otherwise() -> None:
    assert "data.task=regress" in str(target_of(cells([1, 2, 3] * 10), "auto").notes)
    assert target_of(cells([0, 1] * 10), "auto").notes == ()
    assert target_of(cells([1, 2, 3] * 10), "classify").notes == ()


def test_classes_that_differ_only_in_case_or_blanks_are_asked_about() -> None:
    (note,) = target_of(cells(["yes", "Yes", "yes ", "no"] * 10), "auto").notes
    assert note.startswith(
        "the target 'y' has the classes 'Yes', 'yes' and 'yes ', which differ only in case or blanks"
    )
    assert note.endswith("if they are one, write them the same way in the data")
    (note,) = target_of(cells(["a", "A", "b", "B"] * 10), "auto").notes
    assert "'A' and 'a', which differ only in case or blanks (1 more group too)" in note


def test_a_class_of_two_rows_is_told() -> None:
    (note,) = target_of(cells(["a"] * 9 + ["b"] * 9 + ["c"] * 2), "auto").notes
    assert note.startswith("the class 'c' of the target 'y' occurs in two of 20 rows, which is too few")
    assert not target_of(cells(["a"] * 9 + ["b"] * 9 + ["c"] * 3), "auto").notes


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (["a"] * 5, "auto", "nothing to predict"),
        (["1", "2", "x"] * 5, "regress", "contains 'x', which is not a number; type data.task=classify"),
        ([f"name {i}" for i in range(50)], "auto", "50 different values in 50 rows are too many for classes"),
        ([i + 0.5 for i in range(50)], "classify", "for regression: data.task=regress"),
        (["a"] * 9 + ["b"] * 9 + ["c"], "auto", "the class 'c' occurs in a single row;"),
        (
            ["a"] * 9 + ["b"] * 9 + ["B"],
            "auto",
            "the class 'B' occurs in a single row;.*if it is the class 'b', write it so",
        ),
        (
            [f"{i},5" for i in range(50)],
            "auto",
            "writes numbers with a comma, such as '0,5': for a CSV file type data.decimal=comma",
        ),
        (list(2**60 + np.arange(50)), "auto", "differ too little for their size"),
        ([i * 1e38 for i in range(50)], "auto", "is too large; write it in another unit"),
    ],
)
def test_what_cannot_be_is_told(values: list[Any], task: Asked, message: str) -> None:
    with pytest.raises(UsageError, match=f"the target .y.: .*{message}|data.task=.*{message}|the column 'y' {message}"):
        target_of(cells(values), task)


@pytest.mark.parametrize("task", ["auto", "regress"])
@pytest.mark.parametrize("values", [[0.5, 1.5, float("inf"), 2.5] * 10, ["0.5", "1", "-Inf", "2"] * 10])
def test_an_infinite_target_is_named_with_its_row(values: list[Any], task: Asked) -> None:
    with pytest.raises(
        UsageError, match=r"the target 'y' contains -?[iI]nf in 10 rows, the first of which is row 3: remove"
    ):
        target_of(cells(values), task)
    assert target_of(cells(["a", "inf", "b"] * 10), "auto").classes == ("a", "b", "inf")  # a word among words


def test_amounts_with_a_rare_value_may_be_read_as_numbers() -> None:
    with pytest.raises(
        UsageError, match=r"'5' occurs in a single row.*; or, if these are amounts, .*: data\.task=regress"
    ):
        target_of(cells([*[0, 1, 2] * 10, 5]), "auto")
    with pytest.raises(UsageError, match=r"single row.*: remove such rows$"):
        target_of(cells([*["a", "b", "c"] * 10, "d"]), "auto")
