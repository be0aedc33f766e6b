"""A user's file as a frame: whatever separates its cells, and one sentence for what is no table."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench.data.tabular.read import Writing, csv, found, parquet
from dropbench.errors import UsageError

FRAME = pd.DataFrame({"size, in m": [1.5, np.nan, 2.5], "name (x) é": ["a", None, "c, d"], "n": [1, 2, 3]})


def put(folder: Path, content: str | bytes, name: str = "my.csv") -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def same(found: pd.DataFrame, wanted: pd.DataFrame = FRAME) -> None:
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False, check_column_type=False)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "change", [str.encode, lambda t: t.replace("\n", "\r\n").encode(), lambda t: t.encode("utf-8-sig")]
)
def test_separators_ends_of_lines_and_marks(separator: str, change: Callable[[str], bytes], tmp_path: Path) -> None:
    same(csv(put(tmp_path, change(FRAME.to_csv(index=False, sep=separator))), None))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_numbers_with_a_comma(separator: str, tmp_path: Path) -> None:
    file = put(tmp_path, FRAME.to_csv(index=False, sep=separator, decimal=","))
    same(csv(file, None, Writing(decimal="comma")))
    assert csv(file, None)["size, in m"].tolist()[0] == "1,5"
    with pytest.raises(UsageError, match="begins with the numbers 1,5, 2,7"):
        csv(put(tmp_path, "1,5;2,7\n3,5;4,5\n"), None, Writing(decimal="comma"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252", "latin-1"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    file = put(tmp_path, FRAME.to_csv(index=False).encode(encoding))
    same(csv(file, None, Writing(encoding=encoding)))
    if encoding == "utf-8":
        return
    likely = "utf-16" if encoding == "utf-16" else "cp1252"
    with pytest.raises(UsageError, match=rf"UTF-8 \(byte \d+\): type its encoding, such as data\.encoding={likely}"):
        csv(file, None)


def test_an_encoding_that_is_none_or_another(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"data\.encoding=latn: Python knows no such encoding; usual ones are utf-8, utf-16"
    ):
        Writing(encoding="latn")
    with pytest.raises(UsageError, match=r"data\.encoding=utf-16: .* is not a text in this encoding"):
        csv(put(tmp_path, FRAME.to_csv(index=False)), None, Writing(encoding="utf-16"))


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_packed(ending: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    same(csv(put(tmp_path, pack(FRAME.to_csv(index=False).encode()), f"my.csv.{ending}"), None))


HEADING = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\0", exclude_categories=["Cs"]), min_size=1, max_size=9
)


@given(st.lists(HEADING.map(str.strip).filter(bool), min_size=2, max_size=4, unique=True))
def test_any_headings(tmp_path_factory: pytest.TempPathFactory, headings: list[str]) -> None:
    frame = pd.DataFrame([["a", "b", "c", "d"][: len(headings)]] * 2, columns=headings)
    try:
        read = csv(put(tmp_path_factory.mktemp("any"), frame.to_csv(index=False, quoting=1)), None)
    except UsageError as error:
        assert "begins with the numbers" in str(error)
    else:
        assert read.columns.tolist() == headings


def test_spaces_around_cells_are_none_of_them_and_alone_are_no_value(tmp_path: Path) -> None:
    read = csv(put(tmp_path, "a , b\n x,1\n  , 2\ny ,?\n"), None)
    same(read, pd.DataFrame({"a": ["x", None, "y"], "b": [1, 2, np.nan]}))


def test_an_index_that_pandas_wrote_too_is_a_column(tmp_path: Path) -> None:
    assert csv(put(tmp_path, FRAME.to_csv()), None).columns.tolist() == ["Unnamed: 0", *FRAME.columns]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("a,b\n", "contains headings but no rows"),
        ("a\n1\n", "has only one column, 'a'"),
        (
            "a b\n1 2\n",
            "has only one column, 'a b'; a table needs inputs and a target, separated by commas, semicolons, tabs or bars",
        ),
        ("a,b,a\n1,2,3\n", "the column 'a' occurs twice"),
        ("a, a\n1,2\n", "the column 'a' occurs twice"),
        ('"a, b","a, b"\n1,2\n', "the column 'a, b' occurs twice"),
        ("a,b\n1,2\n1,2,3\n", "Expected 2 fields in line 3, saw 3"),
        ("a,b\n1,2,3\n1,2,3\n", "its rows have more cells than its first line"),
        ('a,b\n1,"2\n', "is not a table"),
        ("5,1.5\n6,2.5\n", "begins with the numbers 5, 1.5: its first line must name the columns"),
        (b"\xff\xfea\0b\0", "is not a text in UTF-8"),
        ("é,b\n1,2\n".encode("latin-1"), "is not a text in UTF-8"),
        (b"PK\x03\x04\0\0", "is not a text; save your table as CSV"),
        ("a,b\n1\0,2\n", "is not a text"),
    ],
)
def test_what_is_no_table_is_told(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"my.csv.*{message}"):
        csv(put(tmp_path, content), None)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("my.npz", "type data=npz"),
        ("my.npy", r"write x and y into one file, numpy\.savez"),
        ("my.XLSX", "save it as CSV"),
        ("my.json", r"save it as CSV: pandas\.read_json\('my\.json'\)\.to_csv\('my\.csv', index=False\)"),
        ("my.pkl", r"save it as CSV: pandas\.read_pickle\('my\.pkl'\)"),
    ],
)
def test_files_of_other_kinds_are_told_what_to_do_with(name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{name} is not a table in text form; {told}"):
        csv(put(tmp_path, b"PK", name), None)


def test_headings_of_numpy_are_headings(tmp_path: Path) -> None:
    text = pd.DataFrame(np.ones((2, 3))).to_csv(index=False)
    assert csv(put(tmp_path, text), None).columns.tolist() == ["0", "1", "2"]


@pytest.mark.parametrize("name", ["my.csv.gz", "my.csv.bz2", "my.csv.xz"])
def test_what_is_not_packed_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{name} "):
        csv(put(tmp_path, b"a,b\n1,2\n", name), None)


def test_a_table_that_does_not_fit_is_told_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = put(tmp_path, FRAME.to_csv(index=False) + "1,a,2\n" * 10_000)
    monkeypatch.setattr(pd, "read_csv", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(UsageError, match="in memory, and this machine has"):
        csv(file, 10**6)


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    FRAME.to_parquet(tmp_path / "my.parquet")
    same(parquet(tmp_path / "my.parquet", None))
    with pytest.raises(UsageError, match="in memory, and this machine has"):
        parquet(tmp_path / "my.parquet", 10)
    with pytest.raises(UsageError, match=r"my\.csv is not a Parquet file"):
        parquet(put(tmp_path, "a,b\n1,2\n"), None)


def test_where_a_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = put(tmp_path, "a,b\n", "with space é.csv")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for path, root in (
        (str(file), "nowhere"),
        (file.name, "nowhere"),
        (f"~/{file.name}", "nowhere"),
        (file.name, str(tmp_path)),
    ):
        assert found("data.path", path, Path(root), "csv").samefile(file)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (None, "data.path is not set: it names your file, as in data=csv data.path=my.csv"),
        ("", "data.path is not set"),
        ("mi.csv", "data.path=mi.csv: there is no such file; .*did you mean 'my.csv'"),
        (".", "data.path=. is a folder"),
        ("nowhere/x.csv", "there is no such file"),
    ],
)
def test_where_there_is_none(path: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a,b\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        found("data.path", path, tmp_path / "root", "csv")
