"""The record in docs/record.md is one that could have been stored, and each of its fields is described."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

from dropbench.store import Record, Store, read
from dropbench.store.record import record_from

DOC = (Path(__file__).parents[2] / "docs" / "record.md").read_text(encoding="utf-8")


def test_the_example_parses_and_has_every_field(tmp_path: Path) -> None:
    (block,) = re.findall(r"```json\n(.*?)```", DOC, re.DOTALL)
    fields = [f.name for f in dataclasses.fields(Record)]
    tree = json.loads(block)
    assert list(tree) == fields
    folder = Store(tmp_path).write(record_from(tree), [], "")
    assert read(folder) == record_from(tree)
    assert json.loads((folder / "record.json").read_text()) == tree
    assert tree["variants"] and tree["regularizers"] and len(tree["measures"]) >= 3


def test_every_field_has_a_line() -> None:
    fields = [f.name for f in dataclasses.fields(Record)]
    assert re.findall(r"^\| `(\w+)` \| ", DOC, re.MULTILINE) == fields
    told = Record.__doc__ or ""
    for field in fields:
        assert re.search(rf"\b{field}\b", told), field
