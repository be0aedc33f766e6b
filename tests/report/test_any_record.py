"""Whatever an edited record says, a report of it and its neighbours ends in tables: it is believed or skipped."""

from __future__ import annotations

import copy
import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_kit import fake

from dropbench import identity, report
from dropbench.store import Store

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        [0, 1, -1, 2**63, 10**400, 0.5, 1e308, "", "none", "NaN", "Infinity", "0.5", "\x1b[31m", "../x", [], {}]
    ),
    st.text(max_size=4),
    st.lists(st.sampled_from([0, 0.5, "x", None]), max_size=3),
    st.dictionaries(st.text(max_size=3), st.sampled_from([0, 0.5, "x", None, [], {}]), max_size=3),
)


def places(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a tree something can be replaced."""
    found = [at] if at else []
    if isinstance(tree, dict):
        found += [p for key, value in tree.items() for p in places(value, (*at, key))]
    return found


@pytest.fixture(scope="module")
def trees() -> list[dict[str, Any]]:
    """Records as they are stored: two arms, three seeds."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for seed in range(3):
            store.write(fake(seed), [], "")
            store.write(
                fake(seed, changes={"dropout": "standard", "dropout.rate": 0.5}, rates={"hidden.0": 0.5}), [], ""
            )
        return [json.loads((f / "record.json").read_text()) for f in sorted((store.root / "runs").iterdir())]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_edited_record_costs_at_most_itself(trees: list[dict[str, Any]], data: st.DataObject) -> None:
    records = copy.deepcopy(trees)
    bad = data.draw(st.sampled_from(records))
    for _ in range(data.draw(st.integers(1, 3))):
        *keys, last = data.draw(st.sampled_from(places(bad)))
        part = bad
        for key in keys:
            part = part[key]
        part[last] = data.draw(JUNK)
    with suppress(Exception):  # an editor who sees to it that the ids follow
        bad |= identity.ids(bad["config"], bad["data_fingerprint"], bad["sources"])
    with tempfile.TemporaryDirectory() as folder:
        for i, tree in enumerate(records):
            name = tree.get("run_id")
            place = Path(folder) / "runs" / (name if isinstance(name, str) and name.isalnum() else f"x{i}")
            place.mkdir(parents=True, exist_ok=True)
            (place / "record.json").write_text(json.dumps(tree))
            (place / "history.csv").write_text("epoch,val_loss\n1,0.5\n")
        built = report.build([Path(folder)])
        others = sum(
            len(c.runs) for c in built.comparisons
        )  # of other data it sets its neighbours aside, which is told
        assert others >= len(records) - 1 or any("kept and not compared" in note for note in built.notes)
        for fmt in ("rich", "json"):
            report.render(built, fmt, wide=True)
