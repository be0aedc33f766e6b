"""A sweep whose programs were stopped goes on with the seeds that are left, as long as their source is the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from terminal import TINY, dropbench

CODE = """
from pathlib import Path

import half


def number(seed):
    with open("asked", "a") as file:
        file.write(f"{seed} ")
    if seed == 3 and Path("broken").exists():
        raise KeyboardInterrupt
    return half.HALF + seed
"""
STUDY = {
    "baseline": "none",
    "pilot": "range(900,902)",
    "seed": "range(0,6)",
    "arms": {"none": {"dropout": "none"}, "half": {"dropout": "standard", "dropout.rate": 0.5}},
    "programs": {"one": {"says": "It is above 0", "_target_": "stopped.number", "expect": "above"}},
}
WORDS = ("study=fits", "--conf", "own", *TINY, "execute.workers=1", "-q")


@pytest.fixture
def own(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path])  # to which a sweep adds the folder
    folder = bare / "own"
    (folder / "study").mkdir(parents=True)
    (folder / "study" / "fits.yaml").write_text(yaml.safe_dump(STUDY))
    (folder / "stopped.py").write_text(CODE)
    (folder / "half.py").write_text("HALF = 0.5\n")
    return folder


def seeds_asked(folder: Path) -> list[int]:
    """Of which the program was asked since the last look."""
    asked = folder.parent / "asked"
    seeds = [int(s) for s in asked.read_text().split()] if asked.exists() else []
    asked.unlink(missing_ok=True)
    return seeds


def swept(capsys: pytest.CaptureFixture[str], *words: str) -> int:
    for name in ("stopped", "half"):
        sys.modules.pop(name, None)
    return dropbench(capsys, "sweep", *WORDS, *words).code


def test_it_goes_on_where_it_was_stopped(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own.parent / "broken").touch()
    assert swept(capsys) != 0 and seeds_asked(own) == [900, 901, 0, 1, 2, 3]
    (own.parent / "broken").unlink()
    assert swept(capsys) == 0 and seeds_asked(own) == [3, 4, 5]
    said = dropbench(capsys, "report", "--claims", "--format", "csv")
    assert said.code == 0 and ",3.0," in said.out  # the mean of .5 + seed over 0 to 5
    assert swept(capsys, "seed=range(0,7)") == 0 and seeds_asked(own) == [6]


def test_other_source_is_asked_anew_and_so_is_all_by_force(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert swept(capsys) == 0 and len(seeds_asked(own)) == 8
    (own / "half.py").write_text("# It is a half.\nHALF = 0.5\n")
    assert swept(capsys) == 0 and seeds_asked(own) == []
    (own / "half.py").write_text("HALF = 0.25\n")
    assert swept(capsys) == 0 and len(seeds_asked(own)) == 8
    assert swept(capsys, "--force") == 0 and len(seeds_asked(own)) == 8
