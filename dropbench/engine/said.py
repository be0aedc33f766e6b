"""What a trained stack says of each example of the test split, gathered while the test metrics are taken."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dropbench.engine.objective import squared
from dropbench.engine.replicas import Replicas
from dropbench.nn.cross_entropy import cross_entropy

_SMALL = 256 * 1024 // 4
"""Numbers of probabilities that are kept unasked: 256 KiB of float32."""
_LARGEST = float(np.finfo(np.float16).max)


class Said:
    """Called with output and target of one chunk after the other: whether classes were right, errors of numbers, or losses.

    Beside it the probabilities of the classes, where they are few or asked for. `store.predictions` says how they are kept.
    """

    def __init__(self, replicas: Replicas, keep: Literal["auto", "probabilities"]) -> None:
        self._task = replicas.outline.task
        self._rows = replicas.batches.rows("test")
        self._total = replicas.batches.total
        few = self._rows.shape[1] * replicas.outline.n_classes <= _SMALL
        self._with_probabilities = few or keep == "probabilities"
        self._spread = None if (targets := replicas.batches.targets()) is None else targets.spread
        self._pieces: list[dict[str, Tensor]] = []

    def __call__(self, output: Tensor, target: Tensor) -> None:
        """Takes in what metrics are given, as `objective.compared` makes it."""
        self._pieces.append({name: t.cpu() for name, t in self._of(output, target).items()})

    def arrays(self) -> list[dict[str, NDArray[Any]]]:
        """For each replica: `rows`, ascending, of `total` in the data, and for each of them `right`, `error` or `loss`.

        An error is in the target's unit, to the digits that float16 has of it in units of `spread`.
        """
        whole = {name: torch.cat([p[name] for p in self._pieces], 1) for name in self._pieces[0]}
        found = []
        for k, rows in enumerate(self._rows.cpu().unbind(0)):
            order = rows.argsort()
            ordered = {name: t[k][order].numpy() for name, t in {**whole, "rows": self._rows.cpu()}.items()}
            if self._spread is not None:
                spread = np.array(float(self._spread[k]))
                ordered |= {"spread": spread, "error": ordered["error"] * spread}
            found.append({"total": np.array(self._total), **ordered})
        return found

    def _of(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        if self._task == "reconstruct":
            return {"loss": _half(squared(output, target))}
        if self._spread is not None:
            return {"error": _half((output[..., 0] - target) / self._spread)}
        if self._task == "predict_next":
            return {"loss": _half(cross_entropy(output, target))}
        told = {"right": output.argmax(-1) == target}
        if self._with_probabilities:
            told |= {"log_probabilities": _half(torch.log_softmax(output, -1)), "classes": target}
        return told


def _half(x: Tensor) -> Tensor:
    """In float16, which ends at 65,504: what lies beyond becomes that."""
    return x.clamp(-_LARGEST, _LARGEST).half()
