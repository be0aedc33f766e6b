"""Embeddings of numeric inputs: each number is replaced by several functions of it."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from dropbench.nn.activation import one_by_one
from dropbench.nn.init import Draw
from dropbench.nn.pace import Pace
from dropbench.nn.product import affine

Kind = Literal["plr", "pbld"]
_cos, _sin = one_by_one(torch.cos), one_by_one(torch.sin)


class Sizes(NamedTuple):
    """frequencies: their number per input. size: outputs per input. scale: standard deviation of the initial frequencies."""

    frequencies: int
    size: int
    scale: float


DEFAULTS: dict[Kind, Sizes] = {"plr": Sizes(48, 24, 0.01), "pbld": Sizes(16, 4, 0.1)}
"""For plr as in its authors' package (rtdl_num_embeddings), for pbld as in RealMLP."""


def numbers_in(shape: tuple[int, ...]) -> int:
    """Returns how many of the first inputs are numbers. The view of a table knows it; in other data all inputs are numbers."""
    return int(getattr(shape, "numbers", math.prod(shape)))


class NumericEmbedding(nn.Module):
    """Embeds each number by sines and cosines and its own linear map: x [K, B, F] to [K, B, outputs].

    The first `numbers` of the F inputs are embedded; the others follow unchanged.

    plr: for a number x, the cosines and sines of 2π c_i x, then a linear layer and ReLU. pbld: the cosines of 2π c_i x +
    b_i, then a linear layer; the last one of the `size` outputs is x itself.

    Parameters
    ----------
    replicas, inputs, numbers : int
        K, F and how many of F are numbers.
    kind : {"plr", "pbld"}
        The kind of embedding.
    sizes : Sizes
        The sizes of the embedding, with at least one frequency; for pbld `size` is 2 or more.

    References
    ----------
    plr: Gorishniy, Rubachev, Babenko 2022, "On Embeddings for Numerical Features in Tabular Deep Learning" (arXiv:2203.05556),
    section 3.3. pbld: Holzmüller, Grinsztajn, Steinwart 2024 (arXiv:2407.04491), section 3.
    """

    def __init__(self, replicas: int, inputs: int, numbers: int, kind: Kind, sizes: Sizes) -> None:
        super().__init__()
        self.kind, self.sizes, self.numbers = kind, sizes, numbers
        waves, self._made = (
            (2 * sizes.frequencies, sizes.size) if kind == "plr" else (sizes.frequencies, sizes.size - 1)
        )
        self.outputs = numbers * sizes.size + inputs - numbers
        self.held = numbers * (sizes.frequencies + waves) + self.outputs
        """The number of intermediate values per example: see `models.held`."""
        self.frequency = nn.Parameter(torch.empty(replicas, numbers, 1, sizes.frequencies))
        self.phase = nn.Parameter(torch.empty(replicas, numbers, 1, sizes.frequencies)) if kind == "pbld" else None
        self.weight = nn.Parameter(torch.empty(replicas, numbers, waves, self._made))
        self.bias = nn.Parameter(torch.empty(replicas, numbers, 1, self._made))
        self.incoming = {"weight": (2,)}
        self.paces: dict[str, Pace] = {}

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        """Draws frequencies (normal), phases (uniform over a turn), and the linear layers as torch initialises them."""
        self.frequency.copy_(draw.normal(tuple(self.frequency.shape[1:])).mul_(self.sizes.scale))
        if self.phase is not None:
            self.phase.copy_(_uniform(draw, self.phase, math.pi))
        bound = 1 / math.sqrt(self.weight.shape[2])
        self.weight.copy_(_uniform(draw, self.weight, bound))
        self.bias.copy_(_uniform(draw, self.bias, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Maps x [K, B, F] to [K, B, outputs]: the embedding of each number in turn, then the inputs that are not numbers."""
        numbers, rest = x.split([self.numbers, x.shape[-1] - self.numbers], -1)
        # Each number of each replica is treated as a replica of its own, since products do not mix replicas.
        each = numbers.movedim(-1, 1)[..., None].flatten(0, 1)
        turns = (2 * math.pi * self.frequency).flatten(0, 1)
        shift = torch.zeros_like(turns) if self.phase is None else self.phase.flatten(0, 1)
        angle = affine(each, turns, shift).unflatten(0, (len(x), self.numbers))
        waves = _cos(angle) if self.kind == "pbld" else torch.cat([_cos(angle), _sin(angle)], -1)
        made = affine(waves.flatten(0, 1), self.weight.flatten(0, 1), self.bias.flatten(0, 1))
        # pbld has x itself as the last output; plr has a ReLU.
        made = made.relu() if self.kind == "plr" else torch.cat([made, each.to(made.dtype)], -1)
        seen = made.unflatten(0, (len(x), self.numbers)).movedim(1, 2).flatten(2)
        return torch.cat([seen, rest.to(seen.dtype)], -1)


def _uniform(draw: Draw, like: Tensor, bound: float) -> Tensor:
    """Returns uniform numbers in ±bound, [K, ...]."""
    return draw.uniform(tuple(like.shape[1:])).mul_(2).sub_(1).mul_(bound)
