"""Reads members of a small zip archive written by NumPy, faster than `zipfile`, which supports any archive.

A report of very many runs opens one archive per run. Callers leave archives with unusual features to `zipfile`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

_END, _ENTRY, _LOCAL = struct.Struct("<4s4xHHLLH"), struct.Struct("<4s4xHHxxxxLLLHHHxxxxxxxxL"), struct.Struct("<26xHH")
_STORED, _DEFLATED = 0, 8


class _Entry(NamedTuple):
    """A member. name: its name. data: its compressed bytes. method: of compression. size, crc: of the uncompressed data."""

    name: str
    data: bytes
    method: int
    size: int
    crc: int


def members(content: bytes, most: int) -> dict[str, bytes]:
    """Returns the members of an archive by name, in its order.

    Parameters
    ----------
    content : bytes
        The whole archive.
    most : int
        Largest size of all members together, in bytes.

    Raises
    ------
    ValueError
        For an archive that is damaged, too large or has a feature that NumPy does not use.
    """
    found: dict[str, bytes] = {}
    for entry in _entries(content):
        if entry.name in found or (most := most - entry.size) < 0:
            raise ValueError("it is too large, or has a name twice")
        found[entry.name] = _unpacked(entry)
    return found


def member(content: bytes, name: str, most: int) -> bytes:
    """Returns one member of at most `most` bytes. Raises ValueError as `members` does, and if there is no such member."""
    alike = [entry for entry in _entries(content) if entry.name == name]
    if len(alike) != 1 or alike[0].size > most:
        raise ValueError(f"it has no usable {name}")
    return _unpacked(alike[0])


def _unpacked(entry: _Entry) -> bytes:
    whole = entry.data
    try:
        if entry.method == _DEFLATED:
            whole = zlib.decompressobj(-zlib.MAX_WBITS).decompress(whole, entry.size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(whole) != entry.size or zlib.crc32(whole) != entry.crc:
        raise ValueError("it is damaged")
    return whole


def _entries(content: bytes) -> Iterator[_Entry]:
    """Yields the entries that the central directory at the end of the archive lists."""
    try:
        sign, here, count, _, at, comment = _END.unpack(content[-_END.size :])
        if sign != b"PK\x05\x06" or here != count or comment:
            raise ValueError("it has no directory at its end")
        for _ in range(count):
            sign, flags, method, crc, packed, size, name, extra, comment, local = _ENTRY.unpack_from(content, at)
            if sign != b"PK\x01\x02" or flags or extra or comment or method not in (_STORED, _DEFLATED):
                raise ValueError("its directory was not written by NumPy")
            called = content[at + _ENTRY.size : at + _ENTRY.size + name].decode("ascii")
            start = local + _LOCAL.size + sum(_LOCAL.unpack_from(content, local))
            if content[local : local + 4] != b"PK\x03\x04" or start + packed > len(content):
                raise ValueError(f"{called} is not where it should be")
            yield _Entry(called, content[start : start + packed], method, size, crc)
            at += _ENTRY.size + name
    except struct.error as error:
        raise ValueError("it is cut short") from error
