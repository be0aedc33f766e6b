"""The learning-rate factors of torch's schedulers."""

from __future__ import annotations

from collections.abc import Callable

import torch


def torchs(make: Callable[..., torch.optim.lr_scheduler.LRScheduler], steps: int, **settings: object) -> list[float]:
    """Return the factor of a torch scheduler at the start of each step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer, **settings)
    factors = []
    for _ in range(steps):
        factors.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return factors
