"""Activations by name, with the gain of initial weights that preserves a signal's variance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.nn.init import Draw
from dropbench.nn.pace import Pace

Activation = Literal["relu", "tanh", "gelu", "selu", "sigmoid", "leaky_relu", "mish"]

_VECTOR = 32
"""The number of float32 values that torch's vectorised loops process at a time with the widest registers (two of AVX-512)."""


def one_by_one(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Makes the result of an elementwise function for one replica independent of the stack that the replica is in.

    torch computes the last few numbers of a tensor, those that do not fill a vector register, by scalar code. For functions
    made of `exp` this code rounds differently, so the last replica of a stack would get other bits than the rest. So if a
    replica's numbers do not fill whole vectors, `f` is called for each replica separately.

    Parameters
    ----------
    f : callable
        An elementwise function of a tensor. The returned function takes x [K, ...].
    """

    def apply(x: Tensor) -> Tensor:
        return f(x) if in_vectors(x) else torch.stack([f(one) for one in x.unbind(0)])

    return apply


def in_vectors(x: Tensor) -> bool:
    """Returns whether each replica of x [K, ...] fills whole vectors; also true on an accelerator and for a single replica."""
    return x.device.type != "cpu" or x.shape[0] == 1 or x[0].numel() % _VECTOR == 0


_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "selu": one_by_one(torch.selu),
    "sigmoid": one_by_one(torch.sigmoid),
    "leaky_relu": F.leaky_relu,
    "mish": one_by_one(F.mish),
}
# He et al. 2015 for the rectifiers (GELU and Mish are similar), Glorot & Bengio 2010 for tanh, and LeCun's gain of one if
# the paper of the activation asks for it (SELU, Klambauer et al. 2017).
_RECTIFIERS = dict.fromkeys(("relu", "gelu", "mish"), math.sqrt(2))
_GAINS = {**_RECTIFIERS, "leaky_relu": math.sqrt(2 / (1 + 0.01**2)), "tanh": 5 / 3}


def function(name: Activation) -> Callable[[Tensor], Tensor]:
    """Returns the activation of this name as a function of x [K, ...] whose results do not depend on the stack."""
    return _FUNCTIONS[name]


def gain(name: Activation) -> float:
    """Returns the factor of the initial weights' standard deviation that preserves a signal's variance."""
    return _GAINS.get(name, 1.0)


def monotone(name: Activation) -> bool:
    """Returns whether the activation f never decreases, so that max(f(x)) = f(max(x)).

    Max-pooling may then come first, and a 2×2 pool leaves only a quarter of the activations to compute.
    """
    return name not in ("gelu", "mish")


class Parametric(nn.Module):
    """x + (f(x) - x) a, with a learned number a per unit that starts at 1: 1 is the activation f, 0 is the identity.

    Parameters
    ----------
    replicas, units : int
        K and U, of x [K, B, U].
    name : str
        The activation f.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart 2024 (arXiv:2407.04491), section 3.
    """

    def __init__(self, replicas: int, units: int, name: Activation) -> None:
        super().__init__()
        self.function = function(name)
        self.share = nn.Parameter(torch.ones(replicas, 1, units))
        self.paces: dict[str, Pace] = {}

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        """Sets every a to one; nothing is drawn."""
        self.share.fill_(1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps x [K, B, U] to the same shape."""
        return x + (self.function(x) - x) * self.share
