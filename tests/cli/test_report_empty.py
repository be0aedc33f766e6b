"""An option or argument that an unset variable of a shell left empty is told by its name, and is not the working folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from terminal import dropbench

OPTIONS = (
    "trend",
    "optimum",
    "interaction",
    "contrast",
    "metric",
    "rope",
    "about",
    "baseline",
    "where",
    "rows",
    "format",
    "out",
    "figures",
    "conf",
)


@pytest.mark.parametrize("value", ["", "  "])
@pytest.mark.parametrize("option", [f"--{name}" for name in OPTIONS])
def test_an_empty_option(bare: Path, capsys: pytest.CaptureFixture[str], option: str, value: str) -> None:
    said = dropbench(capsys, "report", option, value)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"Error: {option} is empty: write for example {option} ") and said.err.count("\n") == 1


def test_an_empty_argument_and_columns_without_a_key(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "one argument is empty" in dropbench(capsys, "report", "").err
    assert "--cols is empty" in dropbench(capsys, "report", "--rows", "seed", "--cols", " ").err


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("sweep", "data=wine", "--conf"), "--conf is empty: write for example --conf "),
        (("advise", "data=wine", "--conf"), "--conf is empty: write for example --conf "),
        (("list", "variants", "--conf"), "--conf is empty: write for example --conf "),
        (("init",), "the folder's name is empty: write for example dropbench init my_project"),
        (("runs", "list", "--results"), "--results is empty: write for example --results "),
        (("runs", "list"), "one argument is empty: name a folder"),
        (("runs", "show"), "no run is named"),
        (("runs", "remove", "--yes"), "no run is named"),
        (("runs", "prune", "--yes"), "the name of a results folder is empty"),
        (("runs", "verify"), "the name of a results folder is empty"),
        (("train", "--from"), "no run is named"),
    ],
)  # fmt: skip
def test_an_empty_path_is_no_folder(
    words: tuple[str, ...], sentence: str, value: str, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There are results in the working folder and below it, with one run, which each empty word could be taken for."""
    for root in (bare, bare / "results"):
        root.joinpath("runs", "4df5aad9e191").mkdir(parents=True)
    before = sorted(bare.rglob("*"))
    said = dropbench(capsys, *words, value)
    assert (said.code, said.out) == (2, "") and sentence in said.err and said.err.count("\n") == 1
    assert sorted(bare.rglob("*")) == before
