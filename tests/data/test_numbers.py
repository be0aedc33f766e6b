"""Faults of a CSV file are told by file, line and column."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropbench.data.numbers import read_numbers
from dropbench.errors import UsageError

GOOD = "a,b,label\n1,2.5,0\n-3,4e2,1\n5,6,0\n"


def written(folder: Path, content: str | bytes, name: str = "my data (é).csv") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def told(file: Path, header: str = "names") -> str:
    with pytest.raises(UsageError) as raised:
        read_numbers(file, header=header)  # type: ignore[arg-type]
    text = str(raised.value)
    assert text.startswith(str(file)) and "\n" not in text
    return text.removeprefix(str(file)).lstrip(", ")


def test_what_is_right(tmp_path: Path) -> None:
    for content in (GOOD, GOOD.replace("\n", "\r\n"), "\ufeff" + GOOD, GOOD + "\n\n", GOOD.replace("2.5", '"2.5"')):
        numbers = read_numbers(written(tmp_path, content))
        assert numbers.columns == ("a", "b", "label") and numbers.first_line == 2
        np.testing.assert_array_equal(numbers.values, [[1, 2.5, 0], [-3, 400, 1], [5, 6, 0]])
    x, y, names = numbers.parted("label")
    assert x.dtype == np.float32 and y.dtype == np.int64 and names == ("a", "b")
    assert x.tolist() == [[1, 2.5], [-3, 400], [5, 6]] and y.tolist() == [0, 1, 0]
    packed = written(tmp_path, gzip.compress(GOOD.encode()), "mine.csv.gz")
    np.testing.assert_array_equal(read_numbers(packed).values, numbers.values)
    assert read_numbers(written(tmp_path, "1,2\n3,4\n"), header="none").values.tolist() == [[1, 2], [3, 4]]
    assert read_numbers(written(tmp_path, "x y\n3,4\n"), header="skip").first_line == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    line=st.integers(2, 4),
    column=st.integers(0, 2),
    value=st.sampled_from(["nan", "inf", "-inf", "", " ", "abc", "1_0", "#", "0x1", "1e999"]),
)
def test_a_value_that_is_no_finite_number(tmp_path: Path, line: int, column: int, value: str) -> None:
    rows = [row.split(",") for row in GOOD.splitlines()]
    rows[line - 1][column] = value
    text = told(written(tmp_path, "\n".join(map(",".join, rows))))
    assert text.startswith(f"line {line}, column {column + 1} ('{rows[0][column]}'): ")
    assert (repr(value) in text or "the value is missing" in text) and text.endswith(
        "every value must be a finite number"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("a,b,label\n", "contains only a header"),
        ("a,b,a\n1,2,3\n", "line 1: the column 'a' occurs 2 times (columns 1 and 3); name each differently"),
        ("a,,b\n1,2,3\n", "line 1: column 2 has no name"),
        ("a,b\n1,2\n1\n", "line 3 has 1 values, but the header 2"),
        ("a,b\n1,2,3\n", "line 2 has 3 values, but the header 2"),
        ("a,b\n1,2\n\n3,4\n", "line 3 is empty"),
        ("a,b\n# 1,2\n3,4\n", "line 2, column 1 ('a'): '# 1' is not a number"),
        (" <!DOCTYPE html>\n<html>404</html>", "contains a web page instead of data"),
        (b"\x89PNG\r\n\x1a\n\xff", "is not a text in UTF-8 (byte 0 is 0x89)"),
        (b"a,b\n1,\0\n", "is not a text (byte 6 is 0x00)"),
    ],
)
def test_files(tmp_path: Path, content: str | bytes, expected: str) -> None:
    assert told(written(tmp_path, content)).startswith(expected)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert told(tmp_path / "none.csv") == "does not exist"
    assert told(tmp_path).startswith("cannot be read: ")
    whole = gzip.compress(GOOD.encode() * 50)
    middle = len(whole) // 2
    for content in (whole[:-9], whole[:20], GOOD.encode(), whole[:middle] + b"\xff\xff\xff\xff" + whole[middle + 4 :]):
        assert told(written(tmp_path, content, "mine.csv.gz")).startswith("is damaged: gzip cannot unpack it")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.one_of(st.binary(max_size=80), st.text(alphabet='0123456789.,-+e"\n\r\tna ', max_size=60).map(str.encode)))
def test_any_bytes_are_numbers_or_a_sentence(tmp_path: Path, content: bytes) -> None:
    for header in ("names", "skip", "none"):
        for name in ("any.csv", "any.csv.gz"):
            try:
                numbers = read_numbers(written(tmp_path, content, name), header=header)  # type: ignore[arg-type]
            except UsageError as error:
                assert str(error).startswith(str(tmp_path / name))
            else:
                assert numbers.values.size and np.isfinite(numbers.values).all()


def test_labels(tmp_path: Path) -> None:
    numbers = read_numbers(written(tmp_path, GOOD))
    with pytest.raises(UsageError, match=r"has no column 'lable'; did you mean 'label'\? its columns are a, b, label"):
        numbers.parted("lable")
    with pytest.raises(
        UsageError, match=r"line 2, column 2 \('b'\): 2\.5 is not a label; labels are whole numbers from 0 up"
    ):
        numbers.parted("b")
    with pytest.raises(UsageError, match=r"line 3, column 1 \('a'\): -3 is not a label"):
        numbers.parted("a")
