"""The policy for failed runs. It is a module of its own, so that the command line can import it quickly."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FailurePolicy:
    """What happens when a run fails.

    Attributes
    ----------
    retries : int
        How often each failed run is tried again, from its last checkpoint.
    max_failures : int or None
        The number of failed runs that ends the training; None: no number does.
    """

    retries: int = 0
    max_failures: int | None = None

    def reached(self, failures: int) -> bool:
        """Returns whether this number of failed runs ends the training."""
        return self.max_failures is not None and failures >= self.max_failures


LENIENT = FailurePolicy()
"""The default: each run is tried once, and a failure does not affect other runs."""
