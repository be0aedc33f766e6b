"""The schedules of a stack's dropout rates; the factors of all steps are put on the device at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dropbench.dropout import schedule
from dropbench.spec import RunSpec


class RateSchedules:
    """The factors by which runs multiply their nominal dropout rates at each point of training."""

    def __init__(self, specs: Sequence[RunSpec], device: torch.device, length: float) -> None:
        """length: the length of training in epochs."""
        self._at: dict[str, list[Callable[[float], float]]] = {
            s.run_id: [schedule.resolve(v.schedule.target, v.schedule.options) for v in s.variants] for s in specs
        }
        self._constant = all(v.schedule.name == "constant" for s in specs for v in s.variants)
        self._device, self._length = device, length

    def factors(self, specs: Sequence[RunSpec], epochs: Sequence[Sequence[float]]) -> Tensor | None:
        """Returns the factors of some of the runs, [n, K, V], or None if no rate ever changes.

        V is the largest number of variants in a run; runs with fewer variants are padded with ones. All n steps are computed
        at once, so that nothing waits for an accelerator in between.

        Parameters
        ----------
        specs : Sequence[RunSpec]
            K runs.
        epochs : Sequence[Sequence[float]]
            n rows of K entries: how many epochs into training each run is.
        """
        if self._constant:
            return None
        at = [self._at[s.run_id] for s in specs]
        most = max(map(len, at))
        factors = [
            [
                [factor(e / self._length) for factor in of_run] + [1.0] * (most - len(of_run))
                for of_run, e in zip(at, row, strict=True)
            ]
            for row in epochs
        ]
        return torch.tensor(factors, dtype=torch.float32, device=self._device)
