"""The mean and standard deviation that inputs are normalised with: of training examples only, or the test leaks in."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dropbench.data.base import Table

_CHUNK = 4096  # Rows a step: a whole image set in float64 would not fit beside itself.


def statistics(table: Table, train_rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and (population) standard deviation of the training rows, float32, to broadcast over [N, *table.shape].

    Images ("CHW"): one for each channel, (C, 1, 1). Tables ("F") and sequences ("TF"): one for each feature, (F,).
    A constant channel or feature has a standard deviation of 1, so that dividing by it changes nothing.

    `train_rows` [n], int64, n >= 1. Summed in float64 by NumPy, whose sums do not depend on the number of threads.
    """
    kept = table.axes.index("C" if "C" in table.axes else "F") + 1
    others = tuple(a for a in range(table.x.ndim) if a != kept)
    # Distances from the first example: without that, E[x²] - E[x]² cancels where the mean is far from zero.
    origin = table.x[train_rows[:1]].numpy().astype(np.float64).mean(axis=others, keepdims=True)
    total, squares, count = np.zeros_like(origin), np.zeros_like(origin), 0
    for rows in train_rows.split(_CHUNK):
        part = table.x[rows].numpy() - origin
        total += part.sum(axis=others, keepdims=True)
        squares += np.square(part, out=part).sum(axis=others, keepdims=True)
        count += part.size // origin.size
    shift = total / count
    mean = origin + shift
    std = np.sqrt(np.maximum(squares / count - np.square(shift), 0))
    # Relative to the mean, since float32 inputs carry rounding of that size; a tiny but real spread is kept.
    std[std <= 1e-6 * np.abs(mean)] = 1
    centre, scale = (torch.from_numpy(v[0].astype(np.float32)) for v in (mean, std))
    return (centre, scale) if table.axes == "CHW" else (centre.flatten(), scale.flatten())
