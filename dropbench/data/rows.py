"""Converts new rows to examples of a data set: checks them, brings them to its shape and numbers their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dropbench.errors import UsageError

_UNKNOWN = "<unk>"
_BYTE = 255


@dataclass(frozen=True)
class Rows:
    """The form of a data set's examples: see `data.base.Table`.

    axes, words: those of the table. shape: of one example. numbers: how many word or node numbers there are, or 0.
    """

    axes: str
    shape: tuple[int, ...]
    numbers: int = 0
    words: tuple[str, ...] | None = None

    def tensor(self, rows: Any) -> Tensor:
        """Converts new rows to the form of the data set's own, [n, *shape].

        Numbers may be an array, a tensor, nested lists or a DataFrame; images may also be bytes 0..255; nodes are given by
        their numbers; sentences are texts or lists of word numbers.

        Raises
        ------
        UsageError
            For rows that are not of this kind.
        """
        if self.axes == "T":
            return self._sentences(rows)
        if self.axes == "N":
            return self._in_range(_array(rows).reshape(-1), "node")[:, None]
        x = _array(rows)
        if len(x) == 0 == x.size:  # an empty list has no shape
            x = x.reshape(0, *self.shape).astype(np.float32)
        if self.axes == "CHW" and x.ndim == 3 and self.shape[0] == 1:
            x = x[:, None]  # grey images
        if x.shape[1:] != self.shape:
            raise UsageError(
                f"these rows have the shape {x.shape}, but must have (n, {', '.join(map(str, self.shape))})"
            )
        return torch.from_numpy(self._numbers(x))

    def text(self, text: str | Sequence[int]) -> Tensor:
        """Returns the word numbers of one text, [T] int64. Raises UsageError as `tensor` does."""
        numbers = self._numbered(text)
        if not len(numbers):
            raise UsageError("this text is empty; a text needs at least one word")
        return numbers

    def _sentences(self, rows: Any) -> Tensor:
        if isinstance(rows, str):
            raise UsageError("these are several sentences: give a list of texts; one sentence is a list with one text")
        (length,) = self.shape
        x = torch.zeros((len(rows), length), dtype=torch.int64)
        for row, sentence in zip(x, rows, strict=True):
            numbers = self._numbered(sentence)[
                -length:
            ]  # shorter ones are padded at the start, longer ones keep their end
            row[length - len(numbers) :] = numbers
        return x

    def _numbered(self, text: str | Sequence[int]) -> Tensor:
        if not isinstance(text, str):
            return self._in_range(_array(text).reshape(-1), "word")
        unknown = self._number.get(_UNKNOWN)
        words = text.split()
        missing = [w for w in words if w not in self._number]
        if missing and unknown is None:
            known = "the data set does not name its words" if not self._number else "the data set does not contain it"
            raise UsageError(f"'{missing[0]}' has no number, since {known}: give word numbers instead of texts")
        return torch.tensor([self._number.get(w, unknown) for w in words], dtype=torch.int64)

    @cached_property
    def _number(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words or ())}

    def _in_range(self, x: Any, kind: str) -> Tensor:
        if x.size and (x.dtype.kind not in "iu" or x.min() < 0 or x.max() >= self.numbers):
            raise UsageError(f"{kind} numbers are whole numbers from 0 to {self.numbers - 1}")
        return torch.from_numpy(x.astype(np.int64))

    def _numbers(self, x: Any) -> Any:
        if x.dtype.kind not in "fiub":
            raise UsageError(f"these rows contain {x.dtype}, but must contain only numbers")
        if self.axes == "CHW" and x.dtype == np.uint8:
            x = x / np.float32(_BYTE)
        x = x.astype(np.float32)
        if not np.isfinite(x).all():
            row, *place = (int(i[0]) for i in np.nonzero(~np.isfinite(x)))
            raise UsageError(f"row {row} has no finite number at {', '.join(map(str, place))}, both counted from 0")
        return np.ascontiguousarray(x)


def _array(rows: Any) -> Any:
    if isinstance(rows, Tensor):
        rows = rows.detach().cpu().numpy()
    try:
        return np.asarray(rows)
    except (ValueError, TypeError) as error:
        raise UsageError(f"these rows cannot be converted to one array: {error}") from None
