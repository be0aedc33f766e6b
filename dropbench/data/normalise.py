"""Mean and standard deviation for normalising inputs, from training examples only, so that nothing leaks from test."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dropbench.data.base import Table

_CHUNK = 4096  # Rows at a time: a copy of a whole image set in float64 would not fit in memory.


def statistics(table: Table, train_rows: Tensor) -> tuple[Tensor, Tensor]:
    """Returns mean and (population) standard deviation of the training rows.

    They are summed in float64 by NumPy, whose sums do not depend on the number of threads.

    Parameters
    ----------
    table : Table
        A table of images ("CHW"), features ("F") or sequences of features ("TF").
    train_rows : Tensor
        [n] int64, n >= 1.

    Returns
    -------
    mean, deviation : Tensor
        float32, broadcasting over [N, *table.shape]: one number per channel, [C, 1, 1], for images, else one per feature,
        [F]. A constant channel or feature gets a deviation of 1, so that dividing by it changes nothing.
    """
    kept = table.axes.index("C" if "C" in table.axes else "F") + 1
    reduced = tuple(a for a in range(table.x.ndim) if a != kept)
    # Relative to the first example, since E[x²] - E[x]² loses digits if the mean is far from zero.
    origin = table.x[train_rows[:1]].numpy().astype(np.float64).mean(axis=reduced, keepdims=True)
    total, squares, count = np.zeros_like(origin), np.zeros_like(origin), 0
    for rows in train_rows.split(_CHUNK):
        part = table.x[rows].numpy() - origin
        total += part.sum(axis=reduced, keepdims=True)
        squares += np.square(part, out=part).sum(axis=reduced, keepdims=True)
        count += part.size // origin.size
    shift = total / count
    mean = origin + shift
    std = np.sqrt(np.maximum(squares / count - np.square(shift), 0))
    # A spread of 1e-6 of the mean is rounding of the float32 inputs; a small spread around a small mean is real and kept. A
    # spread too small to divide by in float32 counts as zero, too.
    std[(std <= 1e-6 * np.abs(mean)) | (std < np.finfo(np.float32).tiny)] = 1
    centre, scale = (torch.from_numpy(v[0].astype(np.float32)) for v in (mean, std))
    return (centre, scale) if table.axes == "CHW" else (centre.flatten(), scale.flatten())
