"""What is stored for a question is gone on with; a larger comparison takes more time than it did, whatever is estimated."""

from __future__ import annotations

import pytest

from dropbench.cli.advised_before import Before
from dropbench.planning.advising import Protocol


def protocol(epochs: int, at_most: int) -> Protocol:
    return Protocol(("data=wine", f"train.epochs={epochs}"), ("train.lr=1,2,3",), 4, epochs, at_most)


@pytest.mark.parametrize(
    ("epochs", "at_most", "seconds", "becomes"),
    [
        (200, 400, 90, None),  # what seems to fit is four times as much, but the time is that of the first command
        (100, 30, 1000, None),  # much more time, in which hardly more would fit
        (100, 400, 250, (100, 400)),
        (200, 400, 250, (100, 400)),  # other epochs would throw away what is trained
        (200, 20, 600, (200, 20)),
    ],
)
def test_what_comes_after_a_comparison_that_has_ended(
    epochs: int, at_most: int, seconds: float, becomes: tuple[int, int] | None
) -> None:
    before = Before(protocol(100, 24), ended=True, settled=False, seconds=80.0)
    larger = before.larger(protocol(epochs, at_most), seconds)
    assert (None if larger is None else (larger.epochs, larger.at_most)) == becomes
    assert larger is None or f"train.epochs={larger.epochs}" in larger.overrides
