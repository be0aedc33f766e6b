"""What a metric is given: logits and targets, at random."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def examples(k: int, n: int, c: int, seed: int) -> tuple[Tensor, Tensor]:
    """Normal logits [k, n, c] of deviation 3, and targets [k, n] that have nothing to do with them."""
    generator = np.random.default_rng(seed)
    logits = torch.from_numpy((3 * generator.normal(size=(k, n, c))).astype(np.float32))
    return logits, torch.from_numpy(generator.integers(0, c, size=(k, n)))
