"""The learning rate and the weight decay over time, as factors of `train.lr` and `train.weight_decay`, and the momentum."""

from __future__ import annotations

import math

from dropbench.dropout.schedule import flat_cos
from dropbench.spec import TrainSpec

_CYCLES = 4
"""The number of cycles of `coslog4`."""


def lr_factor(train: TrainSpec, progress: float, length: float | None = None) -> float:
    """Returns the factor at `progress` epochs (fractional) into training of `length` epochs (None: `train.epochs`).

    Warm-up rises linearly from near zero over `warmup_epochs`. cosine then falls to zero at the end of training (Loshchilov &
    Hutter 2017, arXiv:1608.03983, one cycle). cosine_restarts does so `cycles` times, each time over equally many epochs
    (T_mult = 1 in that paper); warm-up is part of the first cycle. step multiplies by `step_factor` after `step_first` epochs
    (null: `step_every`) and every `step_every` epochs from then on; the small model of Zaremba et al. (2014,
    arXiv:1409.2329) has step_first 4, step_every 1, step_factor 0.5. coslog4 goes from zero to the learning rate and back
    four times, each time over twice as many epochs (Holzmüller et al. 2024, arXiv:2407.04491).
    """
    if progress < train.warmup_epochs:
        return progress / train.warmup_epochs
    whole = train.epochs if length is None else length
    if train.restarts is not None:
        # Without the 1e-9, rounding could put an update at the start of a cycle into the cycle before.
        cycle = min(math.floor(progress * train.restarts / whole + 1e-9), train.restarts - 1)
        start, end = (at * whole / train.restarts for at in (cycle, cycle + 1))
        return _cosine(progress, max(start, train.warmup_epochs), end)
    if train.schedule == "cosine":
        return _cosine(progress, train.warmup_epochs, whole)
    if train.schedule == "coslog4":
        done = _share(progress, train.warmup_epochs, whole)
        return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + (2**_CYCLES - 1) * done)))
    if train.schedule == "step":
        first = train.step_first or train.step_every
        steps = 1 + (progress - first) // train.step_every if progress >= first else 0
        return float(train.step_factor ** int(steps))
    return 1.0


def _cosine(progress: float, start: float, end: float) -> float:
    """Falls from 1 at `start` to 0 at `end`, along half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * _share(progress, start, end)))


def _share(progress: float, start: float, end: float) -> float:
    """Returns how far `progress` is from start to end, in [0, 1]."""
    return min(1.0, max(0.0, progress - start) / max(end - start, 1e-12))


def decay_factor(train: TrainSpec, progress: float, length: float) -> float:
    """Returns the factor of the weight decay at `progress` epochs (fractional) into training of `length` epochs."""
    return flat_cos(min(1.0, progress / length)) if train.decay_schedule == "flat_cos" else 1.0


def momentum_at(train: TrainSpec, progress: float, length: float) -> float:
    """Returns the momentum of SGD at `progress` epochs (fractional) into training of `length` epochs.

    With `momentum_start` it rises linearly from that value to `momentum` over `momentum_epochs` (None: all epochs) and then
    stays there. Hinton et al. 2012 (arXiv:1207.0580, appendix A.1) go from 0.5 to 0.99 over 500 epochs.
    """
    if train.momentum_start is None:
        return train.momentum
    risen = min(1.0, progress / (train.momentum_epochs or length))
    return train.momentum_start + risen * (train.momentum - train.momentum_start)
