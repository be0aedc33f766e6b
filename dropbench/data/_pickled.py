"""Arrays out of pickles of others, without calling what a pickle names: it sets up nothing of NumPy's or SciPy's."""

from __future__ import annotations

import pickle
from collections import defaultdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBERS = "fiub"
"""Kinds of numbers that an array may hold."""


def arrays_of(file: Path) -> Any:
    """What is pickled in a file: arrays and sparse matrices by rows as arrays [n, m], lists and dictionaries as they are.

    A pickle may call any function and set up any object, NumPy's types among them, of which one in disorder breaks the process.
    So arrays are read by stand-ins that look at what they are given.

    Raises
    ------
    UnpicklingError, ValueError, TypeError, LookupError, AttributeError
        For what is no such thing.
    """
    with file.open("rb") as opened:
        held = _Unpickler(opened, encoding="latin1").load()
    return held.array if isinstance(held, _Array) else held.whole() if isinstance(held, _Rows) else held


class _Kind:
    """In the place of `numpy.dtype`: numbers by a code such as `f4`, in an order of bytes."""

    def __init__(self, code: str, *given: Any) -> None:
        self.dtype = np.dtype(str(code))
        if self.dtype.kind not in _NUMBERS:
            raise UnpicklingError(f"{code} are no numbers")

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """In the place of `numpy.ndarray`."""

    array: NDArray[Any]

    def __init__(self, *given: Any) -> None:
        """What is given to `_reconstruct`: a class, a shape and a code, none of which is of account."""

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, raw = state
        held = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
        self.array = np.frombuffer(held, kind.dtype).reshape(tuple(map(int, shape)), order="F" if by_columns else "C")


class _Rows:
    """In the place of `scipy.sparse.csr_matrix`, whose attributes a pickle sets."""

    def whole(self) -> NDArray[Any]:
        """All of it, [n, m]."""
        from scipy.sparse import csr_matrix

        state = vars(self)
        parts = (state["data"].array, state["indices"].array, state["indptr"].array)
        rows = csr_matrix(parts, shape=tuple(map(int, state["_shape"])))
        rows.check_format(full_check=True)  # scipy does not look where it writes
        found: NDArray[Any] = rows.toarray()
        return found


class _Unpickler(pickle.Unpickler):
    """Knows arrays, sparse matrices by rows, lists and dictionaries, and refuses all else."""

    def find_class(self, module: str, name: str) -> Any:
        allowed: dict[tuple[str, str], Any] = {
            ("scipy", "csr_matrix"): _Rows,
            ("numpy", "_reconstruct"): _Array,
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Kind,
            ("collections", "defaultdict"): defaultdict,
            ("__builtin__", "list"): list,
            ("builtins", "list"): list,
        }
        # By package and name, without the module: two of these have moved to other modules since such files were written.
        try:
            return allowed[module.partition(".")[0], name]
        except KeyError:
            raise UnpicklingError(f"{module}.{name} is no part of an array") from None
