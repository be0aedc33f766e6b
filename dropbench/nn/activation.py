"""Activations by name, with the gain that keeps a signal's variance through them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Activation = Literal["relu", "tanh", "gelu", "selu", "sigmoid", "leaky_relu"]

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "selu": torch.selu,
    "sigmoid": torch.sigmoid,
    "leaky_relu": F.leaky_relu,
}
# He et al. 2015 for the rectifiers (GELU is close to one), Glorot & Bengio 2010 for tanh, and LeCun's gain of one where
# the paper of the activation asks for it (SELU, Klambauer et al. 2017).
_GAINS = {"relu": math.sqrt(2), "gelu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + 0.01**2)), "tanh": 5 / 3}


def function(name: Activation) -> Callable[[Tensor], Tensor]:
    return _FUNCTIONS[name]


def gain(name: Activation) -> float:
    return _GAINS.get(name, 1.0)


def monotone(name: Activation) -> bool:
    """Whether max-pooling may go first: max(f(x)) = f(max(x)) costs a quarter of the activations on a 2×2 pool."""
    return name != "gelu"
