"""Activations by name, with the gain that keeps a signal's variance through them."""

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
"""float32 numbers that torch's vectorised loops take at a time on the widest registers (two of AVX-512)."""


def one_by_one(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """An elementwise function whose result for one replica does not depend on the stack that the replica is in.

    torch computes the last few numbers of a tensor, those that do not fill a vector register, by scalar code. For functions
    made of `exp` that code rounds differently, so the last replica of a stack would get other bits than the rest. Where a
    replica's numbers do not fill whole vectors, `f` is therefore called for each replica by itself.

    Parameters
    ----------
    f : callable
        A function of a tensor, element by element; the result takes x [K, ...].
    """

    def apply(x: Tensor) -> Tensor:
        return f(x) if in_vectors(x) else torch.stack([f(one) for one in x.unbind(0)])

    return apply


def in_vectors(x: Tensor) -> bool:
    """Whether each replica of x [K, ...] fills whole vectors; true as well on an accelerator and for a single replica."""
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
# He et al. 2015 for the rectifiers (GELU and Mish are close to one), Glorot & Bengio 2010 for tanh, and LeCun's gain of one
# where the paper of the activation asks for it (SELU, Klambauer et al. 2017).
_RECTIFIERS = dict.fromkeys(("relu", "gelu", "mish"), math.sqrt(2))
_GAINS = {**_RECTIFIERS, "leaky_relu": math.sqrt(2 / (1 + 0.01**2)), "tanh": 5 / 3}


def function(name: Activation) -> Callable[[Tensor], Tensor]:
    """The activation of this name, as a function of x [K, ...] with results that do not depend on the stack."""
    return _FUNCTIONS[name]


def gain(name: Activation) -> float:
    """The factor of the initial weights' standard deviation that keeps the variance of a signal through the activation."""
    return _GAINS.get(name, 1.0)


def monotone(name: Activation) -> bool:
    """Whether the activation f never decreases, so that max(f(x)) = f(max(x)).

    Max-pooling may then come first, and a 2×2 pool leaves a quarter of the activations to compute.
    """
    return name not in ("gelu", "mish")


class Parametric(nn.Module):
    """x + (f(x) - x) a with a number a for each unit that is learned and starts at 1: between f and nothing at all.

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
        """Sets every share to one; nothing is drawn."""
        self.share.fill_(1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps x [K, B, U] to the same shape."""
        return x + (self.function(x) - x) * self.share
