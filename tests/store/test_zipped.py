"""A quick reader of NumPy's archives: what it gives is what zipfile gives, and what it does not know it refuses."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench.store.predictions import Predictions, dumped
from dropbench.store.zipped import member, members

WHOLE = dumped(Predictions(900, np.arange(100, 300), right=np.arange(200) % 3 > 0))


def by_zipfile(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


@given(st.dictionaries(st.sampled_from("abcdef"), st.binary(max_size=300), max_size=4), st.booleans())
def test_members_are_those_of_zipfile(held: dict[str, bytes], packed: bool) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, content in held.items():
            archive.writestr(name, content)
    assert members(written.getvalue(), 2000) == held == by_zipfile(written.getvalue())


def test_what_numpy_writes_is_read() -> None:
    assert members(WHOLE, 10_000) == by_zipfile(WHOLE)
    assert member(WHOLE, "right.npy", 1000) == by_zipfile(WHOLE)["right.npy"]
    with pytest.raises(ValueError, match=r"no usable right\.npy"):
        member(WHOLE, "right.npy", 10)
    with pytest.raises(ValueError, match="too large"):
        members(WHOLE, 200)


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255), st.booleans())
def test_damage_is_refused_or_changes_nothing(at: int, by: int, cut: bool) -> None:
    """A byte that is not looked at, as of a date, may be any."""
    content = WHOLE[:at] if cut else WHOLE[:at] + bytes([WHOLE[at] ^ by]) + WHOLE[at + 1 :]
    try:
        read = members(content, 10_000)
    except ValueError:
        return
    assert sorted(read.values()) == sorted(by_zipfile(WHOLE).values())
