"""What a test split said, on the disk: small, read back as it was, and nothing else is taken for it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench.store.predictions import Damaged, Predictions, dumped, read_predictions

LOGS = np.log([[0.9, 0.1], [0.25, 0.75], [1e-7, 1.0]]).astype(np.float16)
CLASSIFIED = Predictions(
    9,
    np.array([1, 4, 8]),
    right=np.array([True, False, True]),
    log_probabilities=LOGS,
    classes=np.array([0, 0, 1]),
)


def put(folder: Path, content: bytes) -> Path:
    (folder / "test.npz").write_bytes(content)
    return folder


def same(one: Predictions, other: Predictions | None) -> bool:
    names = ("total", "rows", "right", "loss", "log_probabilities", "classes", "error", "spread")
    return other is not None and all(np.array_equal(getattr(one, n), getattr(other, n)) for n in names)


@pytest.mark.parametrize(
    "said",
    [
        CLASSIFIED,
        Predictions(9, np.array([1, 4, 8]), right=np.array([False, False, True])),
        Predictions(3, np.arange(3), loss=np.array([0.5, 65504, 1e-7], dtype=np.float16)),
        Predictions(3, np.arange(3), error=np.array([0.5, -2.0, 0.0]) * 1e7, spread=1e7),
    ],
    ids=["probabilities", "bits", "losses", "errors"],
)
def test_predictions_come_back_as_they_were(said: Predictions, tmp_path: Path) -> None:
    assert same(said, read_predictions(put(tmp_path, dumped(said))))
    assert dumped(said) == dumped(said)


@given(st.data())
def test_any_split_comes_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    total = data.draw(st.integers(1, 70))
    rows = np.flatnonzero(data.draw(st.lists(st.booleans(), min_size=total, max_size=total)))
    right = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), dtype=bool)
    said = Predictions(total, rows, right=right)
    assert same(said, read_predictions(put(tmp_path_factory.mktemp("said"), dumped(said))))


@given(st.floats(-6, 9), st.lists(st.floats(-50, 50), min_size=1, max_size=30))
def test_errors_come_back_to_three_digits_in_any_unit(
    tmp_path_factory: pytest.TempPathFactory, unit: float, errors: list[float]
) -> None:
    spread = 10.0**unit
    told = np.array(errors, dtype=np.float16).astype(float) * spread
    said = Predictions(len(errors), np.arange(len(errors)), error=np.array(errors) * spread, spread=spread)
    read = read_predictions(put(tmp_path_factory.mktemp("said"), dumped(said)))
    assert read is not None and read.error is not None
    assert np.array_equal(read.error, told)
    assert read.error == pytest.approx(np.array(errors) * spread, rel=1e-3, abs=1e-6 * spread)


def test_probabilities_are_what_was_said() -> None:
    shown = CLASSIFIED.probabilities
    assert shown is not None and shown.dtype == np.float32
    assert np.allclose(shown, [[0.9, 0.1], [0.25, 0.75], [1e-7, 1]], rtol=2e-2, atol=0)
    assert Predictions(1, np.array([0]), right=np.array([True])).probabilities is None


def test_where_nothing_was_kept_there_is_nothing(tmp_path: Path) -> None:
    assert read_predictions(tmp_path) is None
    assert read_predictions(tmp_path / "nowhere") is None


def test_a_run_of_mnist_takes_less_than_two_kilobytes() -> None:
    """An official split of 10,000 of 70,000 rows, at an accuracy of 98 %: 10⁵ such runs are 200 MB."""
    right = np.random.default_rng(0).random(10_000) < 0.98
    assert len(dumped(Predictions(70_000, np.arange(60_000, 70_000), right=right))) < 2000


def npz(**arrays: Any) -> bytes:
    written = io.BytesIO()
    np.savez_compressed(written, **arrays)
    return written.getvalue()


def hollow(numbers: int) -> bytes:
    """An array whose head says that there are so many numbers, and no numbers."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f2", "fortran_order": False, "shape": (numbers,)})
    written = io.BytesIO(npz(total=np.array(3), rows=BITS))
    with zipfile.ZipFile(written, "a") as packed:
        packed.writestr("loss.npy", head.getvalue())
    return written.getvalue()


BITS = np.packbits(np.ones(3, dtype=bool))
HALF = np.zeros(3, dtype=np.float16)
WRONG = {
    "cut": dumped(CLASSIFIED)[:-30],
    "nothing": b"",
    "text": b"not a zip",
    "a pickle": npz(total=np.array(3), rows=BITS, right=np.array([{}], dtype=object)),
    "another array": npz(total=np.array(3), rows=BITS, right=BITS, more=BITS),
    "no rows": npz(total=np.array(3), right=BITS),
    "neither": npz(total=np.array(3), rows=BITS),
    "both": npz(total=np.array(3), rows=BITS, right=BITS, loss=HALF),
    "too few bits": npz(total=np.array(30), rows=BITS, right=BITS),
    "too many bits": npz(total=np.array(3), rows=BITS, right=np.packbits(np.ones(20, dtype=bool))),
    "less than none": npz(total=np.array(-1), rows=BITS[:0], right=BITS[:0]),
    "losses of more": npz(total=np.array(3), rows=BITS, loss=np.zeros(4, dtype=np.float16)),
    "losses of another kind": npz(total=np.array(3), rows=BITS, loss=np.zeros(3)),
    "more than memory": hollow(10**15),
    "several totals": npz(total=np.arange(3), rows=BITS, right=BITS),
    "errors of no spread": npz(total=np.array(3), rows=BITS, error=HALF),
    "errors of several": npz(total=np.array(3), rows=BITS, error=HALF, spread=np.ones(3)),
    "errors of more": npz(total=np.array(3), rows=BITS, error=np.zeros(4, dtype=np.float16), spread=np.array(1.0)),
    "errors of another kind": npz(total=np.array(3), rows=BITS, error=np.zeros(3), spread=np.array(1.0)),
    "errors and losses": npz(total=np.array(3), rows=BITS, error=HALF, loss=HALF, spread=np.array(1.0)),
    "a spread that is a text": npz(total=np.array(3), rows=BITS, error=HALF, spread=np.array("x")),
    "a spread that is none": npz(total=np.array(3), rows=BITS, error=HALF, spread=np.array(float("nan"))),
    "a class too many": npz(
        total=np.array(3),
        rows=BITS,
        right=BITS,
        log_probabilities=np.zeros((3, 2), dtype=np.float16),
        classes=np.full(3, 2, dtype=np.uint8),
    ),
    "no classes": npz(total=np.array(3), rows=BITS, right=BITS, log_probabilities=np.zeros((3, 2), dtype=np.float16)),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_what_does_not_hold_together_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(Damaged, match=r"^test\.npz does not hold the predictions for a test split"):
        read_predictions(put(tmp_path, content))


def test_what_would_fill_the_memory_is_not_unpacked(tmp_path: Path) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("right.npy", "w") as member:
        for _ in range(1100):
            member.write(bytes(2**20))
    assert len(written.getvalue()) < 2 * 2**20
    with pytest.raises(Damaged, match="too large"):
        read_predictions(put(tmp_path, written.getvalue()))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "test.npz")
    with pytest.raises(Damaged, match="it is a pipe"):
        read_predictions(tmp_path)


def test_reading_needs_no_torch() -> None:
    code = "import sys, dropbench.store.predictions; print('torch' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
