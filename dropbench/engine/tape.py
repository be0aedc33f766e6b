"""Records the draws of a pass through the model, so that another pass of the same update can repeat them."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


class Tape:
    """A recording of draws: `next` first records new draws and, after `rewind`, returns them again in the same order."""

    def __init__(self) -> None:
        self._kept: list[Tensor] = []
        self._at: int | None = None

    def rewind(self) -> None:
        """Goes back to the first recorded draw."""
        self._at = 0

    def next(self, draw: Callable[[], Tensor]) -> Tensor:
        """Returns a new draw, or after `rewind` the recorded one at this position."""
        if self._at is None:
            self._kept.append(draw())
            return self._kept[-1]
        self._at += 1
        return self._kept[self._at - 1]
