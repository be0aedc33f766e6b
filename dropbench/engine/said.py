"""A trained stack's predictions for each example of the test split, collected while the test metrics are computed."""

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
"""The number of probabilities up to which they are kept by default: 256 KiB of float32."""
_LARGEST = float(np.finfo(np.float16).max)


class Said:
    """Collects for each example whether its class was right, the error of a predicted number, or the loss.

    It is called with output and target of each chunk. Class probabilities are collected too if they are few or asked for.
    `store.predictions` describes how all this is stored.
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
        """Takes the output and target of a chunk, as `objective.compared` returns them."""
        self._pieces.append({name: t.cpu() for name, t in self._of(output, target).items()})

    def arrays(self) -> list[dict[str, NDArray[Any]]]:
        """Returns for each replica the test `rows`, ascending, of `total` in the data, with `right`, `error` or `loss` of each.

        Errors are in the target's unit. Their precision is that of float16 for the error divided by `spread`.
        """
        whole = {name: torch.cat([p[name] for p in self._pieces], 1) for name in self._pieces[0]}
        found = []
        for k, rows in enumerate(self._rows.cpu().unbind(0)):
            order = rows.argsort()
            ordered = {name: t[k][order].numpy() for name, t in {**whole, "rows": self._rows.cpu()}.items()}
            if (
                self._spread is not None and "error" in ordered
            ):  # an autoencoder answers with the input, not with the number
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
    """Converts to float16, clamping to its largest value, 65,504."""
    return x.clamp(-_LARGEST, _LARGEST).half()
