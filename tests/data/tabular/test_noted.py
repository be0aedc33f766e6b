"""What is said of columns that name customers or hold dates, and of values that may be one: each time with what to type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from own_tables import loaded

from dropbench.data.tabular.noted import LEVELS

N = 300


def rows(**columns: object) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    return pd.DataFrame({"size": draw.normal(size=N), **columns, "y": draw.integers(0, 2, N)})


def test_a_category_of_many_values_names_both_remedies_and_each_of_them_silences_it(tmp_path: Path) -> None:
    frame = rows(kind=[f"k{i % 120}" for i in range(N)])
    assert loaded(tmp_path, frame).remedies == (
        "'kind' has 120 values in 300 rows: if the model is to meet new ones (other customers, other patients), type "
        "data.group=kind; else data.drop=[kind]",
    )
    assert not loaded(tmp_path, frame, group="kind").remedies and not loaded(tmp_path, frame, drop=("kind",)).remedies
    assert not loaded(tmp_path, rows(kind=[f"k{i % LEVELS}" for i in range(N)])).remedies


@pytest.mark.parametrize("name", ["customer", "patient_no", "PatientID", "customerId", "household_id", "ID", "user"])
@pytest.mark.parametrize(
    ("values", "says"),
    [
        (1000 + np.arange(N) // 4, "is read as a number, and has 75 values in 300 rows: if"),
        ([f"c{i // 10}" for i in range(N)], "has 30 values in 300 rows: if"),
        ([f"c{i // 1.5}" for i in range(N)], "is not used, and has 200 values in 300 rows: if"),
    ],
    ids=["numbers", "few texts", "many texts"],
)
def test_an_id_that_several_rows_share_is_told(name: str, values: object, says: str, tmp_path: Path) -> None:
    (told,) = loaded(tmp_path, rows(**{name: values})).remedies
    assert told.startswith(f"'{name}' {says}") and f"type data.group={name}" in told
    assert loaded(tmp_path, rows(**{name: values}), group=name).groups is not None


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("paid", np.arange(N) // 4),  # no word of its own
        ("customer_age", np.arange(N) // 4),
        ("Area", np.arange(N) // 4),
        ("user", np.arange(N) / 4),  # no whole numbers
        ("patient", np.arange(N) % 5),  # so few values are kinds
        ("customer", np.random.default_rng(1).permutation(N) * 3),  # each row its own
        ("id", np.arange(N)),
    ],
)
def test_other_columns_are_not(name: str, values: object, tmp_path: Path) -> None:
    assert loaded(tmp_path, rows(**{name: values})).remedies == ()


def test_empty_cells_are_to_be_filled_before_rows_are_grouped(tmp_path: Path) -> None:
    frame = rows(customer=[None, *(f"c{i // 10}" for i in range(N - 1))])
    (told,) = loaded(tmp_path, frame).remedies
    assert "fill its 1 empty cell and type data.group=customer" in told


def test_dates_are_told_once_unless_rows_are_split_by_something(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=N).strftime("%Y-%m-%d")
    frame = rows(first=[None, *days[1:]], day=days, who=np.arange(N) // 3)
    (told,) = loaded(tmp_path, frame).remedies
    assert told.startswith("rows are split at random, and 'day' holds dates: ")
    assert told.endswith("data.time=day tests on the latest rows")
    for options in ({"time": "day"}, {"group": "who"}, {"drop": ("day", "first")}):
        assert not loaded(tmp_path, frame, **options).remedies
    assert "with its 1 empty cell filled, data.time=first" in loaded(tmp_path, frame, drop=("day",)).remedies[0]


def test_an_id_beside_a_split_by_time_is_only_to_be_left_out(tmp_path: Path) -> None:
    frame = rows(day=pd.date_range("2024-01-01", periods=N).strftime("%Y-%m-%d"), customer=np.arange(N) // 4)
    (told,) = loaded(tmp_path, frame, time="day").remedies
    assert told.endswith("has 75 values in 300 rows: to leave it out, type data.drop=[customer]")


def test_a_test_file_of_the_users_own_is_not_split(tmp_path: Path) -> None:
    frame = rows(day=pd.date_range("2024-01-01", periods=N).strftime("%Y-%m-%d"))
    frame.to_csv(tmp_path / "test.csv", index=False)
    assert not loaded(tmp_path, frame, test_path=str(tmp_path / "test.csv")).remedies


def test_categories_that_differ_only_in_case_or_blanks_are_asked_about(tmp_path: Path) -> None:
    frame = rows(region=["north", "North", "south"] * (N // 3), missing=["Missing", "yes", None] * (N // 3))
    (told,) = loaded(tmp_path, frame).notes
    assert told == (
        "the column 'region' has the values 'North' and 'north', which differ only in case or blanks: if they are one, write "
        "them the same way in the data"
    )
