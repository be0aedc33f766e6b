"""The table: what its fingerprint covers, and what it refuses."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import pytest
import torch

from dropbench.data.base import Graph, Table
from dropbench.errors import UsageError

Y = torch.tensor([0, 1, 0, 1, 0, 1])
GRAPH = Graph(torch.ones(6, 2), torch.tensor([[0, 1], [1, 2]]))
PLAIN = Table("toy", torch.arange(6)[:, None], Y, "N", 2, torch.tensor([5]), graph=GRAPH)


@pytest.mark.parametrize(
    ("name", "expected"), [("digits", "4df5aad9e191"), ("wine", "cf70cf75a975"), ("breast_cancer", "48a8b8ce730a")]
)
def test_fingerprints_in_records_stay_what_they_are(name: str, expected: str) -> None:
    assert importlib.import_module(f"dropbench.data.{name}").load(Path(), False).fingerprint == expected


def test_whatever_a_run_can_see_is_in_the_fingerprint() -> None:
    val = torch.tensor([4])
    graphs = [
        dataclasses.replace(GRAPH, edges=torch.tensor([[0, 1], [1, 3]])),
        dataclasses.replace(GRAPH, edges=torch.tensor([[0], [1]])),
        dataclasses.replace(GRAPH, features=torch.zeros(6, 2)),
        dataclasses.replace(GRAPH, features=torch.ones(4, 3)),
    ]
    others = [
        {"val": val},
        {"val": torch.tensor([3])},
        {"val": val, "train": torch.tensor([0])},
        {"val": val, "train": torch.tensor([1])},
        {"vocabulary": 6},
        {"vocabulary": 7},
        {"window": 6},
        *({"graph": g} for g in graphs),
    ]
    prints = [PLAIN.fingerprint, *(dataclasses.replace(PLAIN, **o).fingerprint for o in others)]
    assert len(set(prints)) == len(prints)
    assert dataclasses.replace(PLAIN, name="other", source="elsewhere").fingerprint == PLAIN.fingerprint


def test_what_a_table_must_tell() -> None:
    for change in (
        {"graph": None},
        {"axes": "T"},
        {"axes": "W", "vocabulary": 6},
        {"test": None, "val": Y},
        {"train": Y},
    ):
        with pytest.raises(UsageError, match="toy"):
            dataclasses.replace(PLAIN, **change)
