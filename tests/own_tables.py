"""A user's tables for tests: written as CSV, and read as the command line reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from dropbench.data.base import Table
from dropbench.data.tabular.load import table


def priced(folder: Path, n: int = 90, **options: Any) -> Table:
    """Return the table `mixed` with a number to predict."""
    frame = mixed(n)
    price = 200 + 30 * frame["size"] + np.nan_to_num(frame["age"], nan=40) + np.random.default_rng(9).normal(0, 5, n)
    return loaded(folder, frame.assign(y=price, who=np.arange(n) // 3, much=np.arange(n) % 3 + 0.5), **options)


def loaded(folder: Path, frame: pd.DataFrame | str, target: str = "y", **options: Any) -> Table:
    """Write a frame, or the text of a file, as CSV and read it like `data=csv`."""
    file = folder / "my.csv"
    file.write_text(frame if isinstance(frame, str) else frame.to_csv(index=False), encoding="utf-8")
    return table(folder, False, path=str(file), target=target, **options)


def mixed(n: int = 40, seed: int = 0) -> pd.DataFrame:
    """Return a frame with two numbers, one with gaps, a category with gaps, a date, and a target of two words."""
    draw = np.random.default_rng(seed)
    age = draw.normal(40, 10, n).round(1)
    colour = draw.choice(np.array(["red", "green", "blue"], dtype=object), n)
    age[draw.random(n) < 0.2] = np.nan
    colour[draw.random(n) < 0.2] = None
    return pd.DataFrame(
        {
            "size": draw.lognormal(0, 1, n),
            "age": age,
            "colour": colour,
            "day": pd.date_range("2024-01-01", periods=n).strftime("%Y-%m-%d"),
            "y": np.where(np.arange(n) % 2, "yes", "no"),
        }
    )


@st.composite
def raws(draw: st.DrawFn) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw a frame of inputs with gaps anywhere, and some of its rows to fit to."""
    n = draw(st.integers(8, 24))
    number = st.none() | st.integers(-5, 5).map(float) | st.floats(-1e3, 1e3, width=32)
    frame = pd.DataFrame(
        {
            "a": pd.Series(draw(st.lists(number, min_size=n, max_size=n)), dtype=float),
            "b": pd.Series(draw(st.lists(number, min_size=n, max_size=n)), dtype=float),
            "c": pd.Series(
                draw(st.lists(st.sampled_from([None, "x", "y", "z"]), min_size=n, max_size=n)), dtype=object
            ),
        }
    )
    rows = draw(st.lists(st.integers(0, n - 1), min_size=2, max_size=n - 1, unique=True))
    return frame, np.array(sorted(rows))
