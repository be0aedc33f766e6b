"""`report --confirm` where no command line can repeat some of the runs: these are named first, and the others are trained."""

from __future__ import annotations

from pathlib import Path

import pytest
from terminal import dropbench

WORDS = ("data.target=y", "model.widths=[4]", "train.epochs=1", "execute.workers=1")
GIVEN = "given_abc123.csv"
"""The name under which a DataFrame of a Python program is stored."""


@pytest.fixture(autouse=True)
def _arms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dropbench.report.tables.repeats.to_repeat", lambda c: c.others if not c.fresh else [])
    rows = [f"{i % 7}.5,{i * 13 % 11},{'a' if i * 17 % 5 > 2 else 'b'}" for i in range(60)]
    for k, name in enumerate((GIVEN, "mine.csv")):
        Path(name).write_text("\n".join(["x,z,y", *rows[k:]]))
    swept = dropbench(
        capsys, "sweep", "data=csv", f"data.path={GIVEN}", *WORDS, "dropout=none,standard", "seed=0,1", "--quiet"
    )
    assert swept.code == 0, swept.err


def test_what_cannot_be_typed_is_named_before_the_others_are_trained(capsys: pytest.CaptureFixture[str]) -> None:
    dropbench(capsys, "sweep", "data=csv", "data.path=mine.csv", *WORDS, "dropout=none,standard", "seed=0,1", "--quiet")
    before = len(list(Path("results/runs").iterdir()))
    said = dropbench(capsys, "report", "--confirm")
    assert said.code == 0, said.err
    skipped = "Warning: not confirmed: mlp on the given DataFrame"
    assert skipped in said.err and "the data were given as a Python object, which cannot be typed" in said.err
    assert said.err.index(skipped) < said.err.index("dropbench sweep ")
    assert "data.path=mine.csv" in said.err and len(list(Path("results/runs").iterdir())) > before


def test_where_nothing_can_be_typed_that_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    before = len(list(Path("results/runs").iterdir()))
    said = dropbench(capsys, "report", "--confirm")
    assert said.code == 2 and "the data were given as a Python object, which cannot be typed in a command" in said.err
    assert len(list(Path("results/runs").iterdir())) == before
