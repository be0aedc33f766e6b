"""test.npz: a run's answers on its test split, in a few bits each. It needs only NumPy, so a report works without torch.

The arrays:

    total               number of rows of the data set
    rows                a bit for each row of the data set: whether it is in this run's test split
    right               for a classifier: a bit for each row of the split, in order: whether the predicted class was right
    error               for a predicted number: predicted minus true, in units of `spread`, float16
    spread              with `error`: the standard deviation of the training targets
    loss                for anything else: the loss of each row, float16
    log_probabilities   [n, classes] float16: for a classifier, if they are few or were asked for
    classes             with `log_probabilities`: the true class of each row

Bits compress well: the rows of an official split are one run of ones, and the bits of a good classifier are nearly all ones.
Logarithms of probabilities are stored because float16 represents them evenly: a probability of 1e-8 would become 0 and one of
0.9999 would become 1.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dropbench.store import safely, zipped
from dropbench.store.record import PREDICTIONS
from dropbench.store.safely import Damaged

_MOST = 1 << 30
"""Largest size in bytes, of the file and of its uncompressed content."""
_ARRAYS = {"total", "rows", "right", "loss", "error", "spread", "log_probabilities", "classes"}
_HEAD = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([^']+)', 'fortran_order': False, 'shape': \(([\d, ]*)\), \} *\n", re.DOTALL
)
_TYPES = {name.encode(): np.dtype(name) for name in ("|u1", "<u2", "<i8", "<f2", "<f8")}
_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    NotImplementedError,
    MemoryError,
    zlib.error,
    zipfile.BadZipFile,
)
"""The errors that reading can raise if the file is damaged or is something else."""


@dataclass(frozen=True)
class Predictions:
    """A run's answers on its test split.

    Attributes
    ----------
    total : int
        Number of rows of the data set.
    rows : array
        [n] int64, the rows in the split, ascending: for a graph nodes, for running text the predicted words.
    right : array or None
        [n] bool, whether each row's class was right; None if it is no classifier.
    loss : array or None
        [n] float16: nats for the next word, or the mean squared error of a reconstruction; None for a classifier.
    error : array or None
        [n] float64, for a predicted number: predicted minus true in the target's unit, to three digits; otherwise None.
    log_probabilities : array or None
        [n, classes] float16, for a classifier; None if they were not kept.
    classes : array or None
        [n] the true class of each row, with `log_probabilities`.
    spread : float or None
        With `error`, the standard deviation of the training targets.
    """

    total: int
    rows: NDArray[np.int64]
    right: NDArray[np.bool_] | None = None
    loss: NDArray[np.float16] | None = None
    log_probabilities: NDArray[np.float16] | None = None
    classes: NDArray[np.integer[Any]] | None = None
    error: NDArray[np.float64] | None = None
    spread: float | None = None

    @property
    def probabilities(self) -> NDArray[np.float32] | None:
        """[n, classes] float32, to three digits; None if they were not kept."""
        return None if self.log_probabilities is None else np.exp(self.log_probabilities.astype(np.float32))


def dumped(said: Predictions) -> bytes:
    """Returns the content of the file. Equal predictions give equal bytes."""
    member = np.zeros(said.total, dtype=bool)
    member[said.rows] = True
    arrays: dict[str, NDArray[Any]] = {"total": np.array(said.total), "rows": np.packbits(member)}
    if said.right is not None:
        arrays["right"] = np.packbits(said.right)
    if said.loss is not None:
        arrays["loss"] = said.loss.astype(np.float16)
    if said.error is not None and said.spread is not None:
        arrays |= {"error": (said.error / said.spread).astype(np.float16), "spread": np.array(float(said.spread))}
    if said.log_probabilities is not None and said.classes is not None:
        arrays["log_probabilities"] = said.log_probabilities.astype(np.float16)
        arrays["classes"] = said.classes.astype(np.min_scalar_type(int(said.classes.max(initial=0))))
    written = io.BytesIO()
    np.savez_compressed(written, allow_pickle=False, **arrays)
    return written.getvalue()


def read_predictions(folder: Path) -> Predictions | None:
    """Reads the predictions in a run's folder; None if they were not kept.

    Raises
    ------
    Damaged
        If the file is not of this kind, or was cut short.
    """
    try:
        content = safely.content(folder / PREDICTIONS, _MOST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Damaged(f"{PREDICTIONS} cannot be read: {error.strerror}") from error
    try:
        return _checked({name.removesuffix(".npy"): _array(member) for name, member in _members(content).items()})
    except _DAMAGE as error:
        raise Damaged(f"{PREDICTIONS} does not hold the predictions for a test split: {error}") from error


def _members(content: bytes) -> dict[str, bytes]:
    """Returns the members. Their size is checked before decompression, since a few bytes can expand to very many."""
    with suppress(ValueError):
        return _known(zipped.members(content, _MOST))
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        held = packed.infolist()
        if sum(m.file_size for m in held) > _MOST:
            raise ValueError("it is too large")
        _known({m.filename: b"" for m in held})
        return {m.filename: packed.read(m) for m in held}


def _known(members: dict[str, bytes]) -> dict[str, bytes]:
    if {name.removesuffix(".npy") for name in members} - _ARRAYS:
        raise ValueError("it holds unknown arrays")
    return members


def _array(content: bytes) -> NDArray[Any]:
    """Returns a member like `np.load`, which takes twice as long, mostly to have Python parse the header line."""
    head = _HEAD.match(content)
    shape = tuple(int(length) for length in head[2].split(b",") if length.strip()) if head else ()
    if head is None or head[1] not in _TYPES or not (n := math.prod(shape)):
        array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        return array
    return np.frombuffer(content, dtype=_TYPES[head[1]], count=n, offset=head.end()).reshape(shape)


def _checked(held: dict[str, NDArray[Any]]) -> Predictions:
    total = int(held["total"])
    rows = np.flatnonzero(_bits(held["rows"], total))
    n = len(rows)
    right = _bits(held["right"], n) if "right" in held else None
    loss, logs, classes = (held.get(name) for name in ("loss", "log_probabilities", "classes"))
    error, spread = held.get("error"), held.get("spread")
    if sum(one is None for one in (right, loss, error)) != 2 or (logs is None) != (classes is None):
        raise ValueError("an array is missing")
    if error is not None:
        if spread is None or spread.shape != () or error.dtype != np.float16 or error.shape != (n,):
            raise ValueError("it does not have one error per row")
        if not (spread.dtype == np.float64 and 0 < float(spread) < np.inf):
            raise ValueError("its spread is not a standard deviation")
        return Predictions(total, rows, error=error.astype(np.float64) * float(spread), spread=float(spread))
    if loss is not None and (loss.dtype != np.float16 or loss.shape != (n,)):
        raise ValueError("it does not have one loss per row")
    if logs is not None and classes is not None:
        whole = logs.dtype == np.float16 and logs.ndim == 2 and classes.dtype.kind == "u"
        if not whole or len(logs) != n or classes.shape != (n,) or classes.max(initial=0) >= logs.shape[1]:
            raise ValueError("it does not have one probability per row and class")
    return Predictions(total, rows, right, loss, logs, classes)


def _bits(packed: NDArray[Any], n: int) -> NDArray[np.bool_]:
    if n < 0 or packed.dtype != np.uint8 or packed.shape != ((n + 7) // 8,):
        raise ValueError("it does not have one bit per row")
    return np.unpackbits(packed, count=n).astype(bool)
