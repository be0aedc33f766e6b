"""The transformer encoder as a classifier of images (as patches) or sentences."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.errors import UsageError
from dropbench.models.block import Positive
from dropbench.nn.activation import Activation, function, gain
from dropbench.nn.attention import Positions, SelfAttention
from dropbench.nn.embedding import Embedding
from dropbench.nn.linear import Linear
from dropbench.nn.norm import LayerNorm
from dropbench.sites import Site
from dropbench.sites.noise import Noise


class Transformer(nn.Module):
    """The encoder of Vaswani et al. with layer norm at the start of each branch ("pre-norm") and a linear read-out.

    An image is cut into squares, and each is mapped linearly to a vector, as by Dosovitskiy et al. Words are looked up in a
    table. Word 0 is padding: no step attends to it, and the mean leaves it out. Positions are learned. The read-out gets the
    mean over the steps of the last layer norm's output; there is no class token.

    Sites: for images, `input` (CHW) and `patches`, the presence of each patch (T); for words, `embedding`, the table (VF);
    `embedded`, patches or words with their positions (TF). In layer i: `block.i.attention`, the attention weights (ATS);
    `block.i.attention.output` (TF); `block.i.feedforward`, the hidden layer (TF); `block.i.feedforward.output` (TF). At the
    end `head`, the input of the read-out (F). Residual branches are sites too, see `branches`. Their depth counts layers, so
    both branches of a layer have the same depth.

    Parameters
    ----------
    replicas : int
        K.
    shape : tuple of int
        (C, H, W) for images, or (T, V) for words: T steps, a vocabulary of V.
    n_classes : int
        Number of logits per example.
    width : int
        F, the features of a step; a multiple of `heads`.
    heads : int
        Attention heads per layer.
    layers : int
        Number of layers, each with attention and a feed-forward block.
    feedforward : int
        Units of a feed-forward block's hidden layer.
    patch : int
        Side of the squares in pixels. Images are padded with zeros on the right and below to multiples of it.
    activation : str
        Activation of the feed-forward blocks.
    branches : {"sublayer", "layer"}
        What stochastic depth can drop. "sublayer": attention and feed-forward block separately, at the sites
        `block.i.attention.branch` and `block.i.feedforward.branch`, as in vision transformers. "layer": the whole layer, at
        the site `block.i` (LayerDrop, Fan et al. 2019, arXiv:1909.11556).

    Raises
    ------
    UsageError
        If `heads` does not divide `width`, or if a patch is the whole image.

    References
    ----------
    Vaswani et al. 2017 (arXiv:1706.03762); Dosovitskiy et al. 2021 (arXiv:2010.11929).
    """

    stacked = True
    eats = ("tokens", "image")

    def __init__(
        self,
        replicas: int,
        shape: tuple[int, ...],
        n_classes: int,
        *,
        width: Positive = 64,
        heads: Positive = 4,
        layers: Positive = 2,
        feedforward: Positive = 128,
        patch: Positive = 4,
        activation: Activation = "gelu",
        branches: Literal["sublayer", "layer"] = "sublayer",
    ) -> None:
        super().__init__()
        if width % heads:
            near = ", ".join(str(h) for h in range(1, width + 1) if width % h == 0)
            raise UsageError(f"model.heads={heads}: heads share the width of {width} equally; try one of {near}")
        self.patch = patch
        self.words: Embedding | None = None
        self.patches: Linear | None = None
        if len(shape) == 2:
            steps, vocabulary = shape
            self.words = Embedding(replicas, vocabulary, width, scale=0.02)
            sites = [Site("embedding", "token", (vocabulary, width), "VF")]
        else:
            channels, *sides = shape
            steps = math.prod(-(-side // patch) for side in sides)
            if steps < 2:
                raise UsageError(
                    f"model.patch={patch} leaves an image of {sides[0]} by {sides[1]} in one piece; "
                    f"use at most {max(sides) - 1}"
                )
            self.patches = Linear(replicas, channels * patch**2, width)
            sites = [
                Site("input", "activation", tuple(shape), "CHW", reader="patches.weight"),
                Site("patches", "patch", (steps,), "T"),
            ]
        self.positions = Positions(replicas, steps, width)
        sites.append(Site("embedded", "activation", (steps, width), "TF"))
        self.blocks = nn.ModuleList()
        self.branches = branches
        for i in range(layers):
            block = Layer(replicas, f"block.{i}", steps, width, heads, feedforward, activation, branches == "sublayer")
            self.blocks.append(block)
            depth = (i + 1) / layers
            if branches == "layer":
                sites.append(Site(block.name, "branch", (steps, width), "TF", depth=depth))
            for part, inner in (("attention", block.attention.site), ("feedforward", block.feedforward.site)):
                if branches == "sublayer":
                    sites.append(Site(f"{inner.name}.branch", "branch", (steps, width), "TF", depth=depth))
                sites += [inner, Site(f"block.{i}.{part}.output", "activation", (steps, width), "TF")]
        self.norm = LayerNorm(replicas, width)
        self.head = Linear(replicas, width, n_classes)
        self.sites = (*sites, Site("head", "activation", (width,), "F", reader="head.weight"))

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps images x [K, B, C, H, W], or word numbers x [K, B, T] int64, to logits [K, B, n_classes]."""
        unseen = None
        if self.words is not None:
            unseen = x == 0
            x = noise.embed("embedding", x, self.words.weight)
        elif self.patches is not None:
            x = self.patches(cut(noise("input", x), self.patch))
            unseen = left_out(x, noise)
        x = noise("embedded", self.positions(x))
        beside = () if unseen is None else (unseen,)
        for i, block in enumerate(self.blocks):
            whole = self.branches == "layer"
            x = x + (noise.branch(f"block.{i}", block, x, *beside) if whole else block(x, noise, *beside)).to(x.dtype)
        x = noise("head", mean_over_steps(self.norm(x), unseen))
        logits: Tensor = self.head(x)
        return logits


class Layer(nn.Module):
    """Computes what a layer adds to x [K, B, T, F]: attention, plus the feed-forward block of x + attention.

    `separate` makes each of the two a residual branch with its own site, for stochastic depth.
    """

    def __init__(
        self,
        replicas: int,
        name: str,
        steps: int,
        width: int,
        heads: int,
        hidden: int,
        activation: Activation,
        separate: bool,
    ) -> None:
        super().__init__()
        self.name = name
        self.separate = separate
        self.attention = AttentionBranch(replicas, f"{name}.attention", steps, width, heads)
        self.feedforward = FeedForwardBranch(replicas, f"{name}.feedforward", steps, width, hidden, activation)

    def forward(self, x: Tensor, noise: Noise, *padding: Tensor) -> Tensor:
        """Returns what is added to x [K, B, T, F], in the same shape; `padding` [K, B, T] bool, if there is any."""
        attended = self._part(self.attention, x, noise, *padding)
        return attended + self._part(self.feedforward, x + attended, noise)

    def _part(self, branch: AttentionBranch | FeedForwardBranch, x: Tensor, noise: Noise, *padding: Tensor) -> Tensor:
        name = f"{branch.site.name}.branch"
        out: Tensor = noise.branch(name, branch, x, *padding) if self.separate else branch(x, noise, *padding)
        return out.to(x.dtype)


class AttentionBranch(nn.Module):
    """Layer norm and self-attention."""

    def __init__(self, replicas: int, name: str, steps: int, width: int, heads: int) -> None:
        super().__init__()
        self.norm = LayerNorm(replicas, width)
        self.attention = SelfAttention(replicas, width, heads)
        self.site = Site(name, "attention", (heads, steps, steps), "ATS")

    def forward(self, x: Tensor, noise: Noise, padding: Tensor | None = None) -> Tensor:
        """Maps x [K, B, T, F] to the same shape; `padding` [K, B, T] is true where a step must not be attended to."""
        name = self.site.name
        on_weights = partial(noise, name) if noise.acts(name) else None
        return noise(f"{name}.output", self.attention(self.norm(x), padding, on_weights))


class FeedForwardBranch(nn.Module):
    """Layer norm, a hidden layer and a linear map, the same at every step."""

    def __init__(self, replicas: int, name: str, steps: int, width: int, hidden: int, activation: Activation) -> None:
        super().__init__()
        self.norm = LayerNorm(replicas, width)
        self.up = Linear(replicas, width, hidden, gain(activation))
        self.activation = function(activation)
        self.down = Linear(replicas, hidden, width)
        reader = f"blocks.{name.split('.')[1]}.feedforward.down.weight"
        self.site = Site(name, "feedforward", (steps, hidden), "TF", reader=reader, follows=activation)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps x [K, B, T, F] to the same shape."""
        name = self.site.name
        hidden = noise(name, self.activation(self.up(self.norm(x))))
        return noise(f"{name}.output", self.down(hidden))


def cut(x: Tensor, side: int) -> Tensor:
    """Cuts images x [K, B, C, H, W] into squares, row by row: [K, B, T, C · side²].

    Zeros on the right and below make the sides multiples of `side`, in pixels.
    """
    height, width = x.shape[-2:]
    x = F.pad(x, (0, -width % side, 0, -height % side))
    k, b, channels, height, width = x.shape
    squares = x.reshape(k, b, channels, height // side, side, width // side, side)
    return squares.permute(0, 1, 3, 5, 2, 4, 6).reshape(k, b, -1, channels * side**2)


def left_out(x: Tensor, noise: Noise) -> Tensor | None:
    """Returns which patches of x [K, B, T, F] are left out, bool [K, B, T], or None if there is no noise.

    None is faster; a mask that leaves out nothing gives the same bits.
    """
    there = x.new_ones(x.shape[:3])
    seen = noise("patches", there)
    return None if seen is there else seen == 0


def mean_over_steps(x: Tensor, padding: Tensor | None) -> Tensor:
    """Returns the mean over T of x [K, B, T, F], without steps whose `padding` [K, B, T] is true; zeros if all are padding."""
    if padding is None:
        return x.mean(2)
    real = (~padding).to(x.dtype)[..., None]
    return (x * real).sum(2) / real.sum(2).clamp(min=1)
