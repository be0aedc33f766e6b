"""How failed runs are met. Apart from what trains, so that the command line can name it at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FailurePolicy:
    """What a failed run leads to.

    Attributes
    ----------
    retries : int
        How often each failed run is tried again, from where it was saved.
    max_failures : int or None
        How many failed runs end the training; None: however many.
    """

    retries: int = 0
    max_failures: int | None = None

    def reached(self, failures: int) -> bool:
        """Whether so many failed runs end the training."""
        return self.max_failures is not None and failures >= self.max_failures


LENIENT = FailurePolicy()
"""Each run is tried once, and a failure costs that run alone."""
