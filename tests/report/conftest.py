"""Fixtures of the report's tests: fake records, and a store to write them to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import record_kit

from dropbench.store import Record, Store, StoredPlan

Fake = Callable[..., Record]


@pytest.fixture(name="fake")
def _fake() -> Fake:
    return record_kit.fake


@pytest.fixture(name="fake_plan")
def _fake_plan() -> Callable[..., StoredPlan]:
    return record_kit.fake_plan


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def put(store: Store) -> Callable[..., None]:
    """A function that stores records."""

    def put_all(*records: Record) -> None:
        for record in records:
            store.write(record, [], "")

    return put_all
