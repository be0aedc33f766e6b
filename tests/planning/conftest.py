"""A composer for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dropbench.config.compose import Composer, composer


@pytest.fixture(scope="module")
def c() -> Iterator[Composer]:
    with composer() as opened:
        yield opened
