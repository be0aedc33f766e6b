"""Checks a record's accuracy against the test examples that its run kept. It reads one member of test.npz, without NumPy.

Reading the whole file would double the time for a folder of runs; this adds a seventh.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

from dropbench import identity
from dropbench.store import safely, zipped
from dropbench.store.record import PREDICTIONS, Record

ACCURACY = "accuracy"
_MEMBER = "right.npy"
_MOST = 4 << 20
"""Largest size of a file that is checked, in bytes: one with the probabilities of very many examples would take long."""
_ROOM = 1 << 12
"""Bytes that the member may have in addition to a bit per example."""
_MAGIC, _HEADER = b"\x93NUMPY\x01", 10
_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    zlib.error,
    zipfile.BadZipFile,
)


def contradicted(record: Record, folder: Path) -> str | None:
    """Returns how a record's test accuracy contradicts the run's kept predictions, as half a sentence.

    None if they agree or cannot be compared: an accuracy that is not dropbench's, no kept predictions, a damaged file.
    """
    told, n = record.metrics.get(f"test_{ACCURACY}"), record.n.get("test")
    if record.predictions != PREDICTIONS or told is None or not n or not math.isfinite(told) or not _is_ours(record):
        return None
    right = _right(folder, n)
    if right is None or abs(told * n - right) < 0.5:  # a share of many examples is not exact in float32
        return None
    return (
        f"its test_{ACCURACY} is {told:g}, and in {PREDICTIONS} {right:,} of {n:,} examples are right ({right / n:g})"
    )


def _is_ours(record: Record) -> bool:
    node = record.config["metric"].get(ACCURACY) or {}
    return str(node.get("_target_", "")).startswith(identity.OWN) and node.get("version", 1) == 1


def _member(content: bytes, most: int) -> bytes:
    """Returns the member with the bits; empty if it is larger than possible."""
    with suppress(ValueError):
        return zipped.member(content, _MEMBER, most)
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        member = packed.getinfo(_MEMBER)
        return packed.read(member) if member.file_size <= most else b""


def _right(folder: Path, n: int) -> int | None:
    """Returns how many of n examples are marked as right, or None if that cannot be read."""
    try:
        held = _member(safely.content(folder / PREDICTIONS, _MOST), n // 8 + _ROOM)
    except _DAMAGE:
        return None
    begin = _HEADER + int.from_bytes(held[8:_HEADER], "little")
    if not held.startswith(_MAGIC) or len(held) - begin != (n + 7) // 8:
        return None
    return int.from_bytes(held[begin:], "little").bit_count()
