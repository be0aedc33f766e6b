"""What a column is taken for, by the look of its cells or because the user says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench.data.tabular.columns import MISSING, Column, as_numbers, codes, columns_of, levels
from dropbench.errors import UsageError

N = 40


def column(cells: list[Any], **said: Any) -> Column:
    options: dict[str, Any] = {"categorical": (), "numeric": (), "ids": None} | said
    (one,) = columns_of(pd.DataFrame({"c": cells}), **options)
    return one


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([0.5, 1.5, 2.5], "number"),
        ([1, 2, None], "number"),
        ([True, False, True], "category"),
        (["a", "b", "a"], "category"),
        (["1", "2", "a"], "category"),
        (["1_000", "2", "2"], "category"),  # a number to Python alone
        (["2024-03-01", "2023-01-31", "2023-01-31"], "date"),
        (["2024-03-01T12:30", "2023-01-31T00:00", None], "date"),
        (["01.03.2024", "02.03.2024", "02.03.2024"], "category"),
        ([7, 7, 7], "constant"),
        ([7, 7, None], "number"),  # that there is a value says something
        ([None, None, None], "empty"),
        (list(range(N)), "id"),
        (list(range(N))[::-1], "id"),
        ([*range(N - 1), N + 3], "number"),
        (list(range(20)), "number"),  # too few to say
        ([f"row {i}" for i in range(N)], "id"),
        ([f"row {i}" for i in range(N - 1)] + ["row 1"], "text"),
        ([f"group {i % 30}" for i in range(N)], "category"),
    ],
)
def test_kinds(cells: list[Any], kind: str) -> None:
    assert column(cells).kind == kind


def test_what_the_user_says_wins() -> None:
    assert column([1, 2, 3], categorical=["c"]).levels == ("1", "2", "3")
    assert column(list(range(N)), numeric=["c"]).kind == "number"
    assert column(list(range(N)), ids=[]).kind == "number"
    assert column([1.5, 2.5, 1.0], ids=["c"]).kind == "id"
    assert column([f"row {i}" for i in range(N)], categorical=["c"]).used


def test_whole_numbers_with_gaps_have_the_levels_of_those_without() -> None:
    """A gap makes pandas read 1 as 1.0."""
    assert column([1, 2, None], categorical=["c"]).levels == ("1", "2", MISSING)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"numeric": ["d"]}, "data.numeric: there is no column 'd'"),
        ({"categorical": ["C"]}, "did you mean 'c'"),
        ({"numeric": ["c"]}, "contains 'a', which is not a number"),
        ({"numeric": ["c"], "categorical": ["c"]}, "'c' cannot be of two kinds"),
        ({"ids": ["c"], "categorical": ["c"]}, "'c' cannot be of two kinds"),
    ],
)
def test_what_cannot_be_is_told(said: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        column(["a", "b", "a"], **said)


@given(st.lists(st.none() | st.sampled_from("abc"), min_size=1))
def test_codes_are_places_among_the_levels(cells: list[str | None]) -> None:
    series = pd.Series(cells, dtype=object)
    known = levels(series)
    assert [known[int(i)] for i in codes(series, known)] == [MISSING if c is None else c for c in cells]


def test_a_value_that_is_no_level_is_told_apart() -> None:
    assert codes(pd.Series(["a", "new", None]), ("a", "b")).tolist() == [0, -1, -1]


def test_dates_are_days() -> None:
    cells = pd.Series(["1970-01-02", None, "1970-01-01T12:00", "1970-01-01T12:00+12:00"])
    assert as_numbers(cells, "date") == pytest.approx([1, np.nan, 0.5, 0], nan_ok=True)
    assert as_numbers(pd.Series(pd.to_datetime(["1970-01-03", None])), "date") == pytest.approx(
        [2, np.nan], nan_ok=True
    )


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_dates_of_any_resolution_are_days(unit: str) -> None:
    assert as_numbers(pd.Series(np.array(["1970-01-03"], dtype=f"datetime64[{unit}]")), "date").tolist() == [2]
