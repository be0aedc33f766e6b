"""records -> statistics -> tables -> diagnosis -> output: no file imports a later room, nor what stands above the rooms."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from source_trees import imported

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "dropbench" / "report"
ROOMS = ("records", "statistics", "tables", "diagnosis", "output")
FILES = sorted(REPORT.rglob("*.py"))
DOORS = {
    "matplotlib": "output/figures/style.py",
    "rich": "output/terminal.py follow.py",
    "jinja2": "output/page/render.py",
    "scipy": "statistics/distributions.py",
    "pyarrow": "output/export.py",
}
"""The files that may import what takes long; `follow` is imported for --watch alone."""
LATE = ("scipy", "pyarrow")
"""Of these, what its own door imports within a function."""


def earlier(room: str) -> tuple[str, ...]:
    """The rooms that a file may import from; those that stand above the rooms may import from all."""
    return ROOMS[: ROOMS.index(room) + 1] if room in ROOMS else ROOMS


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(REPORT)))
def test_nothing_earlier_imports_anything_later(file: Path) -> None:
    room = file.relative_to(REPORT).parts[0]
    names = [m.removeprefix("dropbench.report").lstrip(".") for m in imported(file) if m.startswith("dropbench.report")]
    if room in ROOMS:
        assert {name.partition(".")[0] for name in names} <= {*earlier(room)}, file


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(REPORT)))
def test_each_heavy_library_has_one_door(file: Path) -> None:
    place = str(file.relative_to(REPORT))
    every, top = ({m.partition(".")[0] for m in imported(file, at_the_top=t)} for t in (False, True))
    if place != "__init__.py":  # where types are named and nothing is loaded
        assert every & DOORS.keys() <= {name for name, doors in DOORS.items() if place in doors.split()}
    assert not top & {*LATE, "torch"}
    assert {"numpy", "pandas"} & every <= top, "these are imported at the top"


@pytest.mark.parametrize(
    ("module", "light"),
    [
        ("dropbench.report", ("pandas", "numpy", *DOORS)),
        ("dropbench.report.output.formats", ("torch", *(n for n in DOORS if n != "pyarrow"))),
    ],
)
def test_what_an_import_loads(module: str, light: tuple[str, ...]) -> None:
    script = f"import {module}, sys; print([n for n in {light!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
