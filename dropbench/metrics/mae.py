"""Mean absolute error."""

from __future__ import annotations

import torch
from torch import Tensor


def mae(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns the mean absolute error, in the unit of the target: [K].

    Parameters
    ----------
    logits : Tensor
        [K, n, 1 or 2]; only the first number of each example is used.
    targets : Tensor
        [K, n].
    """
    errors = (logits[..., 0] - targets).cpu().to(torch.float64)
    return torch.stack([row.abs().mean() for row in errors.unbind(0)])
