"""A history that was edited or damaged costs its curves, with the reason, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dropbench import report
from dropbench.report.records.history import columns, read

HEAD = "epoch,train_loss,val_loss\n"
DAMAGED = {
    "": "it is empty",
    "epoch,val_loss\n1,high\n": "line 2 has a cell that is not a number",
    "epoch,val_loss\n1,2\n2,3,4\n": "line 3 has 3 cells for 2 columns",
    "epoch,val_loss\n1,2\n2": "line 3 has 1 cells for 2 columns",
    "val_loss\n1\n": "its first line does not name the columns",
    "epoch,a,a\n1,2,3\n": "its first line does not name the columns",
    "epoch,val_loss\n2,1\n": "its epochs are not 1, 2, 3 and so on",
    "epoch,val_loss\n1,1\n1,1\n": "its epochs are not 1, 2, 3 and so on",
    "epoch,val_loss\ninf,1\n": "its epochs are not 1, 2, 3 and so on",
    "epoch,val_loss\n1e308,1\n": "its epochs are not 1, 2, 3 and so on",
}


@pytest.mark.parametrize("text", DAMAGED)
def test_each_damage_has_its_reason(tmp_path: Path, text: str) -> None:
    file = tmp_path / "history.csv"
    file.write_text(text)
    assert read(file) == ({}, DAMAGED[text]) and columns(file) == {}


def test_what_is_sound(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(f"{HEAD}1,2,nan\n2,,inf\n")
    table, why = read(file)
    assert why is None and table["epoch"] == [1, 2] and table["val_loss"][1] == float("inf")
    file.write_text("epoch\n")
    assert read(file) == ({}, None)


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices are files there")
def test_a_report_says_which_and_goes_on(fake: Any, put: Any, store: Any, tmp_path: Path) -> None:
    put(*(fake(seed) for seed in range(7)))
    files = [folder / "history.csv" for folder in sorted((store.root / "runs").iterdir())]
    files[0].write_text(f"{HEAD}1,2,high\n")
    files[1].write_bytes(b"\xff\xfe\x00")
    for file in files[2:6]:
        file.unlink()
    os.mkfifo(files[2])
    files[3].symlink_to("/dev/zero")
    files[4].mkdir()
    built = report.build([store.root])
    assert built.comparisons[0].table["n"].tolist() == [7]
    (note,) = (n for n in built.notes if n.startswith("Left out 6 damaged histories"))
    for reason in ("not a number", "not text", "a pipe", "a device", "a folder", "No such file"):
        assert reason in note
    assert "Left out" in report.render(built, "rich")
    report.write_figures(built, tmp_path / "figures")
