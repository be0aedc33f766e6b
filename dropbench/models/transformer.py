"""The transformer encoder as a classifier, of images in patches or of words."""

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
    """Vaswani et al. 2017 (arXiv:1706.03762), the encoder, with layer norm at the start of each branch ("pre-norm").

    An image is cut into `patch` × `patch` squares, each mapped linearly (Dosovitskiy et al. 2021, arXiv:2010.11929); sides that
    are no multiple of `patch` get zeros on the right and below. Words are looked up, and number 0 is padding: no step attends
    to it and the mean leaves it out. Positions are learned. The read-out sees the mean over the steps of the last layer norm's
    output; there is no class token.

    Sites: `input` (CHW, of images); `embedding`, the table of words (VF); `embedded`, with positions (TF). In layer i:
    `block.i.attention`, the attention weights (ATS); `block.i.attention.output` (TF); `block.i.feedforward`, the hidden layer
    (TF); `block.i.feedforward.output` (TF). Last `head`, what the read-out sees (F).

    `branches` says what a residual branch is, for stochastic depth: "sublayer" has two a layer, `block.i.attention.branch` and
    `block.i.feedforward.branch`, each dropped by itself, as in vision transformers; "layer" has one, `block.i`, the whole layer
    (LayerDrop, Fan et al. 2019, arXiv:1909.11556). A branch's depth counts layers, so both of a layer have the same.
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
                    f"at most {max(sides) - 1} cuts it"
                )
            self.patches = Linear(replicas, channels * patch**2, width)
            sites = [Site("input", "activation", tuple(shape), "CHW", reader="patches.weight")]
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
            for part, own in (("attention", block.attention.site), ("feedforward", block.feedforward.site)):
                if branches == "sublayer":
                    sites.append(Site(f"{own.name}.branch", "branch", (steps, width), "TF", depth=depth))
                sites += [own, Site(f"block.{i}.{part}.output", "activation", (steps, width), "TF")]
        self.norm = LayerNorm(replicas, width)
        self.head = Linear(replicas, width, n_classes)
        self.sites = (*sites, Site("head", "activation", (width,), "F", reader="head.weight"))

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        padding = None
        if self.words is not None:
            padding = x == 0
            x = noise.embed("embedding", x, self.words.weight)
        elif self.patches is not None:
            x = self.patches(cut(noise("input", x), self.patch))
        x = noise("embedded", self.positions(x))
        beside = () if padding is None else (padding,)
        for i, block in enumerate(self.blocks):
            whole = self.branches == "layer"
            x = x + (noise.branch(f"block.{i}", block, x, *beside) if whole else block(x, noise, *beside)).to(x.dtype)
        x = noise("head", mean_over_steps(self.norm(x), padding))
        logits: Tensor = self.head(x)
        return logits


class Layer(nn.Module):
    """What a layer adds to x [K, B, T, F]: attention, then the feed-forward block on the sum so far."""

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
        name = self.site.name
        hidden = noise(name, self.activation(self.up(self.norm(x))))
        return noise(f"{name}.output", self.down(hidden))


def cut(x: Tensor, side: int) -> Tensor:
    """Images [K, B, C, H, W] in squares, row by row: [K, B, T, C · side²]; zeros fill up the last row and column."""
    height, width = x.shape[-2:]
    x = F.pad(x, (0, -width % side, 0, -height % side))
    k, b, channels, height, width = x.shape
    squares = x.reshape(k, b, channels, height // side, side, width // side, side)
    return squares.permute(0, 1, 3, 5, 2, 4, 6).reshape(k, b, -1, channels * side**2)


def mean_over_steps(x: Tensor, padding: Tensor | None) -> Tensor:
    """x [K, B, T, F] to [K, B, F]; steps where `padding` [K, B, T] is true do not count, and none at all gives zeros."""
    if padding is None:
        return x.mean(2)
    real = (~padding).to(x.dtype)[..., None]
    return (x * real).sum(2) / real.sum(2).clamp(min=1)
