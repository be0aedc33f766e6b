"""Columns into inputs: fitted to the training rows of a seed alone, as scikit-learn's own pipeline does it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from own_tables import mixed, raws
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler

from dropbench.data.tabular.columns import columns_of
from dropbench.data.tabular.prepare import Columns, Fitted, Scale
from dropbench.errors import UsageError

SCALES: list[Scale] = ["standard", "quantile", "squash"]


def columns(frame: pd.DataFrame, scale: Scale = "standard") -> Columns:
    found = columns_of(frame, categorical=["c"] if "c" in frame else (), numeric=(), ids=[])
    return Columns(tuple(c for c in found if c.used), scale)


@pytest.mark.parametrize("scale", SCALES)
@given(made=raws(), data=st.data())
def test_other_rows_change_nothing_that_is_fitted_and_no_training_input(
    scale: Scale, made: tuple[pd.DataFrame, np.ndarray], data: st.DataObject
) -> None:
    """The leak test: validation and test rows get any other numbers, and any other of the known categories."""
    frame, rows = made
    whole = columns(frame, scale)
    if not whole.columns:
        return
    raw = whole.raw(frame)
    others = np.setdiff1d(np.arange(len(frame)), rows)
    changed = raw.copy()
    for i, column in enumerate(whole.columns):
        levels = st.integers(-1, len(column.levels) - 1).map(float) if column.levels else st.floats(-1e6, 1e6)
        changed[others, i] = data.draw(st.lists(levels, min_size=len(others), max_size=len(others)))
    one, other = whole.fitted(raw, rows), whole.fitted(changed, rows)
    assert all(torch.equal(a, b) for a, b in zip(one.state().values(), other.state().values(), strict=True))
    assert torch.equal(one.inputs(raw[rows]), other.inputs(changed[rows]))


@given(raws())
def test_the_values_of_a_category_are_those_of_all_rows(made: tuple[pd.DataFrame, np.ndarray]) -> None:
    frame, rows = made
    whole = columns(frame)
    told = set(frame["c"].dropna()) | ({"missing"} if frame["c"].isna().any() else set())
    assert {name.removeprefix("c=") for name in whole.inputs if name.startswith("c=")} == told
    if whole.columns:  # and every seed has inputs of one shape
        assert whole.fitted(whole.raw(frame), rows).inputs(whole.raw(frame)).shape == (len(frame), len(whole.inputs))


@pytest.mark.parametrize("scale", ["standard", "quantile"])
def test_as_a_pipeline_of_scikit_learns_on_the_cells_themselves(scale: Scale) -> None:
    frame = mixed(60).drop(columns="y")
    rows = np.random.default_rng(1).permutation(60)[:35]
    whole = columns_of(frame, categorical=(), numeric=(), ids=None)
    mine = Columns(whole, scale)
    scaler: Any = (
        StandardScaler() if scale == "standard" else QuantileTransformer(n_quantiles=35, output_distribution="normal")
    )
    days = pd.to_datetime(frame["day"]).astype("datetime64[s]").astype("int64") / 86400
    cells = frame.assign(day=days, colour=frame["colour"].fillna("missing"))
    levels = [*sorted(set(cells["colour"]) - {"missing"}), "missing"]
    reference = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), scaler), ["size", "age", "day"]),
            ("flags", MissingIndicator(features="all"), ["age"]),
            ("categories", OneHotEncoder(categories=[levels], sparse_output=False), ["colour"]),
        ]
    ).fit(cells.iloc[rows])
    raw = mine.raw(frame)
    found = mine.fitted(raw, rows).inputs(raw)
    assert mine.inputs == ("size", "age", "day", "age missing", *(f"colour={level}" for level in levels))
    assert found.numpy() == pytest.approx(reference.transform(cells).astype(np.float32), abs=1e-6)


def test_inputs_by_hand() -> None:
    frame = pd.DataFrame({"a": [1.0, 3, np.nan, 100], "b": ["u", "v", None, "w"]})
    mine = columns(frame)
    found = mine.fitted(mine.raw(frame), np.array([0, 1, 2])).inputs(mine.raw(frame))
    a = (np.array([1, 3, 2, 100]) - 2) / np.sqrt(2 / 3)  # the median, 2, stands for what is missing
    assert found.numpy() == pytest.approx(
        np.array([[a[0], 0, 1, 0, 0, 0], [a[1], 0, 0, 1, 0, 0], [a[2], 1, 0, 0, 0, 1], [a[3], 0, 0, 0, 1, 0]]),
        rel=1e-6,
        abs=1e-6,
    )


@pytest.mark.parametrize("scale", SCALES)
def test_a_column_without_a_number_in_the_training_rows_is_no_hindrance(scale: Scale) -> None:
    frame = pd.DataFrame({"a": [np.nan, np.nan, np.nan, 1.0, 2.0], "b": [1.0, 2, 3, 4, 5]})
    mine = columns(frame, scale)
    found = mine.fitted(mine.raw(frame), np.arange(3))
    assert found.inputs(mine.raw(frame)).isfinite().all()
    assert len(found.state()["fill"]) == 2


@pytest.mark.parametrize("scale", SCALES)
@given(made=raws())
def test_what_was_fitted_comes_back_from_what_is_kept(scale: Scale, made: tuple[pd.DataFrame, np.ndarray]) -> None:
    frame, rows = made
    whole = columns(frame, scale)
    if not whole.columns:
        return
    raw = whole.raw(frame)
    fitted = whole.fitted(raw, rows)
    again = Fitted.restored(Columns.loaded(whole.dumped()), fitted.state())
    assert torch.equal(again.inputs(raw), fitted.inputs(raw))
    assert torch.equal(again.of(frame), fitted.inputs(raw))


def test_new_rows_may_hold_what_training_rows_did_not() -> None:
    frame = mixed().drop(columns="y")
    whole = Columns(columns_of(frame, categorical=(), numeric=(), ids=None))
    fitted = whole.fitted(whole.raw(frame), np.arange(30))
    new = pd.DataFrame({"more": [1], "colour": ["violet"], "size": [None], "age": [40], "day": ["2031-05-06"]})
    (found,) = fitted.of(new)
    told = dict(zip(whole.inputs, found.tolist(), strict=True))
    assert not any(told[f"colour={c}"] for c in ("red", "green", "blue", "missing"))
    assert found.isfinite().all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, 2]], "these rows are a list; they must be a DataFrame with the columns size, age, colour, day"),
        (pd.DataFrame({"size": [1], "age": [1], "color": ["red"], "day": ["2024-01-01"]}), "did you mean 'color'"),
        (
            pd.DataFrame({"size": ["big"], "age": [1], "colour": ["red"], "day": ["2024-01-01"]}),
            "contains 'big', which is not a number",
        ),
        (
            pd.DataFrame({"size": [1], "age": [1], "colour": ["red"], "day": ["today"]}),
            "contains 'today', which is not a date",
        ),
    ],
)
def test_new_rows_that_are_none_are_told(rows: Any, message: str) -> None:
    frame = mixed().drop(columns="y")
    whole = Columns(columns_of(frame, categorical=(), numeric=(), ids=None))
    with pytest.raises(UsageError, match=message):
        whole.fitted(whole.raw(frame), np.arange(30)).of(rows)
