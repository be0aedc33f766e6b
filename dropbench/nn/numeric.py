"""Embeddings of numbers: each becomes a few functions of itself, before a network sees it."""

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
    """frequencies: waves of each number. size: what each number becomes. scale: deviation of the starting frequencies."""

    frequencies: int
    size: int
    scale: float


DEFAULTS: dict[Kind, Sizes] = {"plr": Sizes(48, 24, 0.01), "pbld": Sizes(16, 4, 0.1)}
"""Of plr as in its authors' package (rtdl_num_embeddings), of pbld as in RealMLP."""


def numbers_in(shape: tuple[int, ...]) -> int:
    """How many of the inputs, from the first on, are numbers: a view of a table says so, and of all else each input is one."""
    return int(getattr(shape, "numbers", math.prod(shape)))


class NumericEmbedding(nn.Module):
    """Waves of each number, then a linear map of a number's own: x [K, B, F] to [K, B, outputs].

    The first `numbers` of the F inputs are embedded, the others follow as they are.

    plr: for a number x the cosines and sines of 2π c_i x, then a linear layer and ReLU. pbld: the cosines of 2π c_i x + b_i,
    then a linear layer, and x itself beside what that gives, as one of its `size`.

    Parameters
    ----------
    replicas, inputs, numbers : int
        K, F and how many of F are numbers.
    kind : {"plr", "pbld"}
        Which of them.
    sizes : Sizes
        How large, at least one wave a number; of pbld a size of 2 or more.

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
        """Numbers that an example becomes on the way."""
        self.frequency = nn.Parameter(torch.empty(replicas, numbers, 1, sizes.frequencies))
        self.phase = nn.Parameter(torch.empty(replicas, numbers, 1, sizes.frequencies)) if kind == "pbld" else None
        self.weight = nn.Parameter(torch.empty(replicas, numbers, waves, self._made))
        self.bias = nn.Parameter(torch.empty(replicas, numbers, 1, self._made))
        self.incoming = {"weight": (2,)}
        self.paces: dict[str, Pace] = {}

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        """Draws frequencies (normal), phases (uniform over a turn), and the linear layers as torch's start."""
        self.frequency.copy_(draw.normal(tuple(self.frequency.shape[1:])).mul_(self.sizes.scale))
        if self.phase is not None:
            self.phase.copy_(_uniform(draw, self.phase, math.pi))
        bound = 1 / math.sqrt(self.weight.shape[2])
        self.weight.copy_(_uniform(draw, self.weight, bound))
        self.bias.copy_(_uniform(draw, self.bias, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Maps x [K, B, F] to [K, B, outputs]: what each number became, number by number, and then the inputs that are none."""
        numbers, rest = x.split([self.numbers, x.shape[-1] - self.numbers], -1)
        # A number of a replica takes the place of a replica: products do not mix those.
        each = numbers.movedim(-1, 1)[..., None].flatten(0, 1)
        turns = (2 * math.pi * self.frequency).flatten(0, 1)
        shift = torch.zeros_like(turns) if self.phase is None else self.phase.flatten(0, 1)
        angle = affine(each, turns, shift).unflatten(0, (len(x), self.numbers))
        waves = _cos(angle) if self.kind == "pbld" else torch.cat([_cos(angle), _sin(angle)], -1)
        made = affine(waves.flatten(0, 1), self.weight.flatten(0, 1), self.bias.flatten(0, 1))
        # What a number becomes has x itself in the last place, or nothing below zero.
        made = made.relu() if self.kind == "plr" else torch.cat([made, each.to(made.dtype)], -1)
        seen = made.unflatten(0, (len(x), self.numbers)).movedim(1, 2).flatten(2)
        return torch.cat([seen, rest.to(seen.dtype)], -1)


def _uniform(draw: Draw, like: Tensor, bound: float) -> Tensor:
    """Uniform numbers in ±bound, [K, ...]."""
    return draw.uniform(tuple(like.shape[1:])).mul_(2).sub_(1).mul_(bound)
