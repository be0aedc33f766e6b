"""Reads arrays from untrusted pickles without calling the functions that a pickle names."""

from __future__ import annotations

import pickle
from collections import defaultdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBERS = "fiub"
"""The kinds of numbers that an array may contain."""


def arrays_of(file: Path) -> Any:
    """Returns the content of a pickle file: arrays and CSR matrices as arrays [n, m], lists and dictionaries unchanged.

    A pickle can call any function and create any object, including malformed NumPy objects that crash the process. So arrays
    are read by stand-in classes that check their arguments.

    Raises
    ------
    UnpicklingError, ValueError, TypeError, LookupError, AttributeError
        For any other content.
    """
    with file.open("rb") as opened:
        held = _Unpickler(opened, encoding="latin1").load()
    return held.array if isinstance(held, _Array) else held.whole() if isinstance(held, _Rows) else held


class _Kind:
    """Stands in for `numpy.dtype`: a code such as `f4`, and the byte order."""

    def __init__(self, code: str, *given: Any) -> None:
        self.dtype = np.dtype(str(code))
        if self.dtype.kind not in _NUMBERS:
            raise UnpicklingError(f"{code} is not a type of numbers")

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands in for `numpy.ndarray`."""

    array: NDArray[Any]

    def __init__(self, *given: Any) -> None:
        """Takes the arguments of `_reconstruct` (class, shape and code) and ignores them."""

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, raw = state
        held = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
        self.array = np.frombuffer(held, kind.dtype).reshape(tuple(map(int, shape)), order="F" if by_columns else "C")


class _Rows:
    """Stands in for `scipy.sparse.csr_matrix`, whose attributes a pickle sets."""

    def whole(self) -> NDArray[Any]:
        """Returns it as a dense array [n, m]."""
        from scipy.sparse import csr_matrix

        state = vars(self)
        parts = (state["data"].array, state["indices"].array, state["indptr"].array)
        rows = csr_matrix(parts, shape=tuple(map(int, state["_shape"])))
        rows.check_format(full_check=True)  # scipy itself does not check where it writes
        found: NDArray[Any] = rows.toarray()
        return found


class _Unpickler(pickle.Unpickler):
    """Reads arrays, CSR matrices, lists and dictionaries, and refuses everything else."""

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
        # By package and name, without the module: two of them have moved to other modules since such files were written.
        try:
            return allowed[module.partition(".")[0], name]
        except KeyError:
            raise UnpicklingError(f"{module}.{name} is not part of an array") from None
