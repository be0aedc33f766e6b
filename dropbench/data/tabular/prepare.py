"""Converts columns to inputs. Everything that depends on values is fitted to a seed's training rows, by scikit-learn.

Only the levels of a category are those of all rows, so that the inputs of all seeds have the same shape.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dropbench.data.tabular.columns import Column, as_numbers, codes
from dropbench.errors import UsageError, like, listed

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.compose import ColumnTransformer

Scale = Literal["standard", "quantile", "squash"]
_QUANTILES = 1000
_FARTHEST = 1e6
"""The largest absolute value of an input. Inputs are about 1 in training rows, but a column that hardly varies there may
have very large values elsewhere."""
_FITTED = {
    "standard": ("mean_", "scale_"),
    "quantile": ("quantiles_", "references_"),
    "squash": ("center_", "scale_"),
}
"""The values that each kind of scaling learns, by scikit-learn's names."""


@dataclass(frozen=True)
class Columns:
    """The inputs of a table and their conversion to numbers.

    Attributes
    ----------
    columns : tuple of Column
        The columns that are used, in order.
    scale : {"standard", "quantile", "squash"}
        How numbers are scaled: to mean 0 and variance 1; to normal quantiles; or centred at the median, divided by the
        interquartile range and clipped smoothly at ±3 (Holzmüller et al. 2024, arXiv:2407.04491).
    """

    columns: tuple[Column, ...]
    scale: Scale = "standard"

    @property
    def numbers(self) -> list[int]:
        """The indices of numbers and dates."""
        return [i for i, c in enumerate(self.columns) if c.kind != "category"]

    @property
    def gaps(self) -> list[int]:
        """The indices of numbers and dates with missing values, each of which gets a flag."""
        return [i for i in self.numbers if self.columns[i].missing]

    @property
    def categories(self) -> list[int]:
        """The indices of categories."""
        return [i for i, c in enumerate(self.columns) if c.kind == "category"]

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of the network's inputs: numbers, then flags, then the levels of categories."""
        names = [c.name for c in self.columns]
        levels = [f"{names[i]}={level}" for i in self.categories for level in self.columns[i].levels]
        return (*(names[i] for i in self.numbers), *(f"{names[i]} missing" for i in self.gaps), *levels)

    @cached_property
    def of_inputs(self) -> tuple[int, ...]:
        """For each input of the network the index of its column."""
        return (*self.numbers, *self.gaps, *(i for i in self.categories for _ in self.columns[i].levels))

    def raw(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Converts the cells to float64 [n, columns]: numbers, NaN if missing; indices of levels, -1 if unknown.

        Raises
        ------
        UsageError
            For a cell that is not of its column's kind.
        """
        parts = [
            codes(frame[c.name], c.levels) if c.kind == "category" else as_numbers(frame[c.name], c.kind)
            for c in self.columns
        ]
        return np.stack(parts, 1)

    def unscaled(self, raw: NDArray[np.float64]) -> Tensor:
        """Returns the inputs before anything is fitted, [n, inputs] float32: unscaled numbers, 0 if missing."""
        parts = [np.nan_to_num(raw[:, self.numbers]), np.isnan(raw[:, self.gaps])]
        parts += [raw[:, [i]] == np.arange(len(self.columns[i].levels)) for i in self.categories]
        return torch.from_numpy(np.concatenate([p.astype(np.float32) for p in parts], 1))

    def fitted(self, raw: NDArray[np.float64], train_rows: NDArray[np.int64]) -> Fitted:
        """Fits the conversion to the training rows."""
        return Fitted(self, _transformer(self, len(train_rows)).fit(raw[train_rows]))

    def dumped(self) -> str:
        """Returns the columns as text, to be stored with weights."""
        return json.dumps({"columns": [asdict(c) for c in self.columns], "scale": self.scale})

    @classmethod
    def loaded(cls, text: str) -> Columns:
        """Restores what `dumped` wrote. Raises ValueError, TypeError or KeyError for anything else."""
        tree = json.loads(text)
        columns = (Column(**{**c, "levels": tuple(c["levels"])}) for c in tree["columns"])
        return cls(tuple(columns), tree["scale"])


class Fitted:
    """Columns with the values learnt from the training rows of one seed; converts any rows to inputs."""

    def __init__(self, columns: Columns, transformer: ColumnTransformer) -> None:
        """Use `Columns.fitted`."""
        self._columns, self._transformer = columns, transformer

    def inputs(self, raw: NDArray[np.float64]) -> Tensor:
        """Converts rows to the network's inputs, [n, inputs] float32; clips values so large that they would overflow."""
        if not len(raw):  # scikit-learn refuses to transform no rows
            return torch.zeros((0, len(self._columns.inputs)))
        made = self._transformer.transform(raw).clip(-_FARTHEST, _FARTHEST)
        return torch.from_numpy(np.ascontiguousarray(made, dtype=np.float32))

    def of(self, frame: Any) -> Tensor:
        """Converts new rows, a DataFrame with the columns of the data set, to [n, inputs] float32; ignores other columns.

        Raises
        ------
        UsageError
            If it is not a DataFrame, if a column is missing, or if a cell is not of its column's kind.
        """
        names = [c.name for c in self._columns.columns]
        if not hasattr(frame, "columns"):
            raise UsageError(
                f"these rows are a {type(frame).__name__}; they must be a DataFrame with the columns {', '.join(names)}"
            )
        for name in names:
            if name not in frame.columns:
                known = [str(c) for c in frame.columns]
                raise UsageError(f"these rows have no column '{name}'; {like(name, known)}they have {listed(known)}")
        return self.inputs(self._columns.raw(frame))

    def state(self) -> dict[str, Tensor]:
        """Returns the learnt values, to be stored with weights: `fill` (the medians for missing numbers) and the scaler's."""
        if not self._columns.numbers:
            return {}
        fill, scaler = self._steps()
        return {"fill": _tensor(fill.statistics_)} | {
            name.rstrip("_"): _tensor(getattr(scaler, name)) for name in _FITTED[self._columns.scale]
        }

    @classmethod
    def restored(cls, columns: Columns, state: Mapping[str, Tensor]) -> Fitted:
        """Restores it from the result of `state`. Raises KeyError if that belongs to other columns."""
        rows = len(state.get("references", ())) or 1
        made = cls(columns, _transformer(columns, rows).fit(np.zeros((rows, len(columns.columns)))))
        if columns.numbers:
            fill, scaler = made._steps()
            fill.statistics_ = state["fill"].numpy()
            for name in _FITTED[columns.scale]:
                setattr(scaler, name, state[name.rstrip("_")].numpy())
        return made

    def _steps(self) -> tuple[Any, Any]:
        (fill, _), (scaler, _) = [(step, name) for name, step in self._transformer.named_transformers_["numbers"].steps]
        return fill, scaler


@dataclass(frozen=True)
class Prepared:
    """The columns of a data set and its cells, raw [N, columns] as returned by `Columns.raw`."""

    columns: Columns
    raw: NDArray[np.float64]

    def fitted(self, train_rows: Tensor) -> Fitted:
        """Fits the columns to these rows, [n] int64."""
        return self.columns.fitted(self.raw, train_rows.numpy())


def _tensor(values: Any) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float64))


def _transformer(columns: Columns, n_train: int) -> ColumnTransformer:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import MissingIndicator, SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    known = [np.arange(len(columns.columns[i].levels), dtype=np.float64) for i in columns.categories]
    parts: list[tuple[str, Any, Sequence[int]]] = [
        ("numbers", make_pipeline(fill, _scaler(columns.scale, n_train)), columns.numbers),
        ("missing", MissingIndicator(features="all"), columns.gaps),
        (
            "categories",
            OneHotEncoder(categories=known, handle_unknown="ignore", sparse_output=False),
            columns.categories,
        ),
    ]
    return ColumnTransformer([part for part in parts if part[2]])


def _scaler(scale: Scale, n_train: int) -> Any:
    from sklearn.preprocessing import QuantileTransformer, StandardScaler

    if scale == "standard":
        return StandardScaler()
    if scale == "quantile":
        return QuantileTransformer(n_quantiles=min(_QUANTILES, n_train), output_distribution="normal", subsample=None)
    from dropbench.data.tabular.squash import Squash

    return Squash()
