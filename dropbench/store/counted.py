"""Whether a record's accuracy is that of the test examples that its run kept: of test.npz one member, and without NumPy.

Reading it all would double the time that a folder of runs takes; this adds a seventh.
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
"""Bytes of a file that is looked into: one with the probabilities of very many examples would take long."""
_ROOM = 1 << 12
"""Bytes of the member beside a bit an example."""
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
    """What of its test accuracy does not follow from what the run kept, as half a sentence.

    None where it does, and where nothing can be told: another accuracy than dropbench's, nothing kept, a damaged file.
    """
    told, n = record.metrics.get(f"test_{ACCURACY}"), record.n.get("test")
    if record.predictions != PREDICTIONS or told is None or not n or not math.isfinite(told) or not _is_ours(record):
        return None
    right = _right(folder, n)
    if right is None or abs(told * n - right) < 0.5:  # in float32 a share of many examples is not exact
        return None
    return (
        f"its test_{ACCURACY} is {told:g}, and of its {n:,} examples {PREDICTIONS} has {right:,} right ({right / n:g})"
    )


def _is_ours(record: Record) -> bool:
    node = record.config["metric"].get(ACCURACY) or {}
    return str(node.get("_target_", "")).startswith(identity.OWN) and node.get("version", 1) == 1


def _member(content: bytes, most: int) -> bytes:
    """The one that is looked at; nothing where it is larger than it can be."""
    with suppress(ValueError):
        return zipped.member(content, _MEMBER, most)
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        member = packed.getinfo(_MEMBER)
        return packed.read(member) if member.file_size <= most else b""


def _right(folder: Path, n: int) -> int | None:
    """How many of n examples are marked as right."""
    try:
        held = _member(safely.content(folder / PREDICTIONS, _MOST), n // 8 + _ROOM)
    except _DAMAGE:
        return None
    begin = _HEADER + int.from_bytes(held[8:_HEADER], "little")
    if not held.startswith(_MAGIC) or len(held) - begin != (n + 7) // 8:
        return None
    return int.from_bytes(held[begin:], "little").bit_count()
