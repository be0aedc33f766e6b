"""What was noted when the data were read stands in every report on the runs, not only on the terminal of the sweep."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from terminal import Said, dropbench


@pytest.fixture
def swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, Sequence[str]], Said]:
    """Sweeps over a table in a file, whose target is y, in an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def of(file: str, lines: Sequence[str]) -> Said:
        Path(file).write_text("\n".join(lines))
        words = ("data=csv", f"data.path={file}", "data.target=y", "model.widths=[4]", "train.epochs=1")
        return dropbench(capsys, "sweep", *words, "dropout=none,standard", "seed=0,1", "execute.workers=1")

    return of


def test_a_column_that_gives_the_target_away(swept: Any, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{i % 7}.5,{i * 13 % 11},{'yes' if i % 3 else 'no'},{'a' if i % 3 else 'b'}" for i in range(60)]
    found = swept("leak.csv", ["x,z,copy,y", *rows])
    said = "the column 'copy' alone determines the target of every row: is it known when predicting?"
    assert found.code == 0 and said in " ".join(found.err.split())
    for fmt in ("markdown", "html", "json"):
        out = dropbench(capsys, "report", "--format", fmt).out
        assert "alone determines the target of every row" in out, fmt
    assert said in " ".join(dropbench(capsys, "report", "--runs").out.split())


def test_what_may_make_every_number_wrong_stands_first(swept: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the notes on how to read the table, and before those on the columns; with what to type."""
    rows = [f"{1000 + i // 4},{i * 13 % 11}.5,3,{'a' if i % 3 else 'b'}" for i in range(60)]
    found = swept("shops.csv", ["customer,x,same,y", *rows])
    out = " ".join(dropbench(capsys, "report").out.split())
    for text in (" ".join(found.out.split()), out):
        assert "type data.group=customer; else data.drop=[customer]." in text
        assert text.index("'customer' is read as a number") < text.index("columns that are not used: same")
        assert text.index("columns that are not used: same") < text.index("Seeds:")
    asked = " ".join(dropbench(capsys, "report", "--rows", "dropout.rate").out.split())
    assert "type data.group=customer" in asked


def test_a_plan_without_notes_is_read(fake: Any, fake_plan: Any, put: Any, store: Any) -> None:
    """Plans that were stored before there were such notes have none."""
    put(run := fake(0))
    store.write_plan(fake_plan({"none": [run]}))
    file = next((store.root / "plans").iterdir())
    tree = json.loads(file.read_text())
    del tree["data_notes"]
    file.write_text(json.dumps(tree))
    (plan,) = store.plans()
    assert plan.data_notes == []
