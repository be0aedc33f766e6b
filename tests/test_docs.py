"""Checks that every test that is named in the documentation exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`(tests/[\w/]+\.py|[\w]+\.py)?(?:::(\w+))?[^`\s]*`")


@pytest.mark.parametrize("doc", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_tests_that_are_named_exist(doc: Path) -> None:
    """Check names such as `tests/x/test_y.py::test_z`, and `::test_z`, which refers to the file named last."""
    files = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}
    last: Path | None = None
    for file, name in NAMED.findall(doc.read_text(encoding="utf-8")):
        if file.rpartition("/")[2].startswith("test_"):
            last = ROOT / file if "/" in file else files.get(file)
            assert last is not None and last.exists(), file
        if name.startswith("test_"):
            assert last is not None and f"def {name}(" in last.read_text(encoding="utf-8"), f"{last}::{name}"
