"""The residual network for small images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.errors import UsageError
from dropbench.models.block import Positive, switches
from dropbench.models.two_branches import TwoBranches
from dropbench.nn.activation import gain
from dropbench.nn.conv import Conv2d
from dropbench.nn.linear import Linear
from dropbench.nn.norm import BatchNorm
from dropbench.sites import Site
from dropbench.sites.noise import Noise


class ResNet(nn.Module):
    """A convolution, three stages of residual blocks, and a linear read-out of each channel's mean.

    A stage has (depth - 2) / 6 blocks of two 3 × 3 convolutions; the stages have `width`, 2 · `width` and 4 · `width`
    channels. The second and the third stage begin by halving the map: a side s becomes ceil(s / 2). Convolutions have no
    bias, because batch norm follows each. Shortcuts have no parameters (option A of He et al., their choice for CIFAR):
    where the map is halved they take every other pixel, and the new channels are zero.

    Sites: `input` (CHW); `block.i`, the residual branch of each block, before the shortcut is added and the last ReLU
    applied (CHW); `block.i.conv` between the branch's two convolutions, where Wide ResNets have dropout (Zagoruyko &
    Komodakis 2016, arXiv:1605.07146, section 2.4; CHW); `head`, the input of the read-out (F). With `two_branches` a block's
    branch is the mean of two, with `block.i.first.conv` and `block.i.second.conv` inside, and the site `block.i.pair` for
    both together (PCHW). `block.i.skip` is the shortcut (CHW), where noise does harm and acts only on request.

    Parameters
    ----------
    replicas : int
        K.
    shape : tuple of int
        (C, H, W).
    n_classes : int
        Number of logits per example.
    depth : int
        Number of layers with weights, 6n + 2 and at least 8.
    width : int
        Channels of the first stage.
    two_branches : bool, optional
        Whether each block takes the mean of two residual branches (Gastaldi 2017, arXiv:1705.07485).

    Raises
    ------
    UsageError
        If there is no network of this depth.

    References
    ----------
    He et al. 2016 (arXiv:1512.03385), section 4.2.
    """

    stacked = True
    eats = ("image",)

    @staticmethod
    def one_form(options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the options in one standard form: see `block.switches`."""
        return switches(options, "two_branches")

    def __init__(
        self,
        replicas: int,
        shape: tuple[int, ...],
        n_classes: int,
        *,
        depth: Positive = 8,
        width: Positive = 16,
        two_branches: bool | None = None,
    ) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            lower = max(8, depth - (depth - 2) % 6)
            near = f"{lower}" if depth < 8 else f"{lower} or {lower + 6}"
            raise UsageError(
                f"model.depth={depth}: three stages of two-layer blocks have a depth of 6n + 2; try {near}"
            )
        channels, *sides = shape
        self.stem = Conv2d(replicas, channels, width, 3, gain("relu"), bias=False)
        self.norm = BatchNorm(replicas, width)
        count = (depth - 2) // 2
        sites = [Site("input", "activation", tuple(shape), "CHW", reader="stem.weight")]
        self.blocks = nn.ModuleList()
        inputs = width
        for i in range(count):
            outputs = width * 2 ** (3 * i // count)
            stride = outputs // inputs
            sides = [-(-side // stride) for side in sides]
            maps = (outputs, *sides)
            name = f"block.{i}"
            inside = [f"{name}.first", f"{name}.second"] if two_branches else [name]
            branches = [Branch(replicas, each, inputs, outputs, stride) for each in inside]
            branch = TwoBranches(name, maps, "CHW", *branches) if two_branches else branches[0]
            self.blocks.append(Block(name, branch, outputs - inputs, stride))
            sites.append(Site(name, "branch", maps, "CHW", depth=(i + 1) / count))
            for each in inside:
                reader = f"blocks.{i}.branch{each.removeprefix(name)}.second.weight"
                sites.append(Site(f"{each}.conv", "activation", maps, "CHW", reader=reader, follows="relu"))
            if isinstance(branch, TwoBranches):
                sites.append(branch.site)
            sites.append(Site(f"{name}.skip", "activation", maps, "CHW", asked=True))
            inputs = outputs
        self.head = Linear(replicas, inputs, n_classes)
        self.sites = (*sites, Site("head", "activation", (inputs,), "F", reader="head.weight"))

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps images x [K, B, C, H, W] to logits [K, B, n_classes]."""
        x = noise("input", x)
        x = torch.relu(self.norm(self.stem(x)))
        for block in self.blocks:
            x = block(x, noise)
        x = noise("head", F.adaptive_avg_pool2d(x.flatten(0, 1), 1).view(*x.shape[:3]))
        logits: Tensor = self.head(x)
        return logits


class Block(nn.Module):
    """A residual block, relu(shortcut + branch): x [K, B, I, H, W] to [K, B, I + new, H', W']."""

    def __init__(self, name: str, branch: nn.Module, new: int, stride: int) -> None:
        super().__init__()
        self.name = name
        self.stride = stride
        self.new = new
        self.branch = branch

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps x [K, B, I, H, W] to [K, B, O, H', W'], with H' = ceil(H / stride) and W' likewise."""
        branch = noise.branch(self.name, self.branch, x)
        if self.stride > 1:
            # Padded with channels last, the memory layout of maps, so that both terms of the sum have the same layout.
            x = F.pad(x[..., :: self.stride, :: self.stride].movedim(2, -1), (0, self.new)).movedim(-1, 2)
        return torch.relu(noise(f"{self.name}.skip", x) + branch.to(x.dtype))


class Branch(nn.Module):
    """Convolution, batch norm, ReLU, noise, convolution, batch norm; the first convolution has the stride."""

    def __init__(self, replicas: int, name: str, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.name = name
        self.first = Conv2d(replicas, inputs, outputs, 3, gain("relu"), stride, bias=False)
        self.first_norm = BatchNorm(replicas, outputs)
        self.second = Conv2d(replicas, outputs, outputs, 3, gain("relu"), bias=False)
        self.second_norm = BatchNorm(replicas, outputs)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps x [K, B, I, H, W] to [K, B, O, H', W'], as the block does."""
        x = noise(f"{self.name}.conv", torch.relu(self.first_norm(self.first(x))))
        out: Tensor = self.second_norm(self.second(x))
        return out
