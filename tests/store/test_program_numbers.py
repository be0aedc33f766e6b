"""Numbers of programs: what is kept is found, of the same program and source alone, and damage is as if it were not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dropbench.errors import UsageError
from dropbench.store.files import temporary
from dropbench.store.programs import Number, Numbers


def test_what_is_kept_is_found_to_the_last_digit_of_the_same_source_alone(tmp_path: Path) -> None:
    numbers = Numbers(tmp_path, "a.b", "c0ffee")
    assert numbers.find(3) is None
    numbers.keep(3, Number(0.1 + 0.2, 1.5))
    assert Numbers(tmp_path, "a.b", "c0ffee").find(3) == Number(0.1 + 0.2, 1.5)
    numbers.keep(3, Number(-7.0, 2.0))
    assert numbers.find(3) == Number(-7.0, 2.0) and numbers.find(4) is None
    assert Numbers(tmp_path, "a.b", "decaf0").find(3) is None and Numbers(tmp_path, "a.c", "c0ffee").find(3) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"value": 1}',
        '{"value": NaN, "seconds": 1}',
        '{"value": 1, "seconds": -1}',
        '{"value": [], "seconds": 1}',
    ],
)
def test_what_is_damaged_is_not_there(tmp_path: Path, text: str) -> None:
    numbers = Numbers(tmp_path, "a.b", "c0ffee")
    numbers.keep(3, Number(1.0, 1.0))
    (numbers.folder / "3.json").write_text(text)
    assert numbers.find(3) is None
    numbers.keep(3, Number(2.0, 1.0))
    assert numbers.find(3) == Number(2.0, 1.0)


def test_a_file_in_the_way_is_told_and_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "programs").write_text("")
    with pytest.raises(UsageError, match="cannot write results into"):
        Numbers(tmp_path, "a.b", "c0ffee").keep(0, Number(1.0, 1.0))
    (tmp_path / "programs").unlink()
    numbers = Numbers(tmp_path, "a.b", "c0ffee")
    numbers.keep(0, Number(1.0, 1.0))
    left = temporary(numbers.folder / "1.json")
    os.utime(left, (0, 0))
    numbers.keep(2, Number(1.0, 1.0))
    assert sorted(path.name for path in numbers.folder.iterdir()) == ["0.json", "2.json"]
