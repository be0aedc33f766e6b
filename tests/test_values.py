"""Flattening nested keys."""

from __future__ import annotations

from dropbench.values import flatten


def test_leaves() -> None:
    assert flatten({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "a.c": {}, "d": [2]}
