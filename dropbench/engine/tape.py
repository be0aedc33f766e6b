"""What was drawn in a pass through the model, so that another pass of the same update can have the same."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


class Tape:
    """Draws in the order in which they were asked for: first kept, then, after `rewind`, given again in that order."""

    def __init__(self) -> None:
        self._kept: list[Tensor] = []
        self._at: int | None = None

    def rewind(self) -> None:
        """The next draw is the first again."""
        self._at = 0

    def next(self, draw: Callable[[], Tensor]) -> Tensor:
        """A new draw, or the one that was made at this place."""
        if self._at is None:
            self._kept.append(draw())
            return self._kept[-1]
        self._at += 1
        return self._kept[self._at - 1]
