"""An option of `report` that an unset variable of a shell left empty is told by its name."""

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
)


@pytest.mark.parametrize("value", ["", "  "])
@pytest.mark.parametrize("option", [f"--{name}" for name in OPTIONS])
def test_an_empty_option(bare: Path, capsys: pytest.CaptureFixture[str], option: str, value: str) -> None:
    said = dropbench(capsys, "report", option, value)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"Error: {option} is empty: write {option} ") and said.err.count("\n") == 1


def test_an_empty_argument_and_columns_without_a_key(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "one argument is empty" in dropbench(capsys, "report", "").err
    assert "--cols is empty" in dropbench(capsys, "report", "--rows", "seed", "--cols", " ").err
    assert "--out is empty" in dropbench(capsys, "report", "--out", " ").err
