"""The learning rate over time, as a factor of `train.lr`."""

from __future__ import annotations

import math

from dropbench.spec import TrainSpec


def lr_factor(train: TrainSpec, progress: float, length: float | None = None) -> float:
    """The factor at `progress` epochs (fractional) into training, which is `length` epochs long; None: `train.epochs`.

    Warm-up rises linearly from near zero over `warmup_epochs`; cosine then falls to zero at its end (Loshchilov &
    Hutter 2017, one cycle); step multiplies by `step_factor` after `step_first` epochs (null: `step_every`) and every
    `step_every` epochs from then on. Zaremba et al. (2014, arXiv:1409.2329), small model: step_first 4, step_every 1,
    step_factor 0.5.
    """
    if progress < train.warmup_epochs:
        return progress / train.warmup_epochs
    if train.schedule == "cosine":
        span = max((train.epochs if length is None else length) - train.warmup_epochs, 1e-12)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - train.warmup_epochs) / span)))
    if train.schedule == "step":
        first = train.step_first or train.step_every
        steps = 1 + (progress - first) // train.step_every if progress >= first else 0
        return float(train.step_factor ** int(steps))
    return 1.0
