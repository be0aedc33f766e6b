"""A stack of two-layer rectifier networks, as a probe's Network, small enough to be done again by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]


class Relu:
    """relu(x V) W for V [K, I, H] and W [K, H, C], without biases; in pieces of 7. Noise multiplies the inputs by `masks`.

    parts: {name: (x [K, n, I], y [K, n])}; others: {name: x [K, n, I]}.
    """

    def __init__(
        self,
        v: Tensor,
        w: Tensor,
        parts: dict[str, Pair],
        *,
        others: dict[str, Tensor] | None = None,
        masks: Sequence[Tensor] = (),
    ) -> None:
        self.v, self.w = v.clone().requires_grad_(), w.clone().requires_grad_()
        self.parameters = [self.v, self.w, torch.zeros(len(v), 3, requires_grad=True)]  # the last is not used
        self.parts, self.others, self.masks = parts, others or {}, masks
        self.passes = len(masks)

    def examples(self, part: str) -> Iterator[Pair]:
        x, y = self.parts[part]
        yield from zip(x.split(7, 1), y.split(7, 1), strict=True)

    def logits(self, x: Tensor) -> Tensor:
        return torch.relu(x @ self.v) @ self.w

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        return {"hidden": torch.relu(x @ self.v)}

    def without(self, x: Tensor, site: str, unit: int) -> Tensor:
        assert site == "hidden"
        kept = torch.ones(self.v.shape[-1], dtype=x.dtype)
        kept[unit] = 0
        return (torch.relu(x @ self.v) * kept) @ self.w

    def foreign(self, data: str, examples: int) -> Iterator[Tensor]:
        yield from self.others[data][:, :examples].split(5, 1)

    def noisy(self, stream: str) -> Callable[[Tensor], Tensor]:
        count = iter(range(10**6))
        return lambda x: self.logits(x * self.masks[next(count) % len(self.masks)])

    def uniforms(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        generator = np.random.default_rng(5)
        return lambda shape: torch.from_numpy(generator.random((len(self.v), *shape)))

    def normals(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        generator = np.random.default_rng(6)
        return lambda shape: torch.from_numpy(generator.normal(size=(len(self.v), *shape)))


def drawn(seed: int = 0, k: int = 2, n: int = 30, inputs: int = 4, hidden: int = 5, classes: int = 3) -> Relu:
    """With weights, and training and test examples, all normal."""
    generator = np.random.default_rng(seed)

    def normal(*shape: int) -> Tensor:
        return torch.from_numpy(generator.normal(size=shape))

    parts = {
        part: (normal(k, n, inputs), torch.from_numpy(generator.integers(0, classes, (k, n))))
        for part in ("train", "val", "test")
    }
    return Relu(normal(k, inputs, hidden), normal(k, hidden, classes), parts)


def loss_by_hand(v: np.ndarray, w: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """The mean cross-entropy of one replica, in NumPy."""
    z = np.maximum(x @ v, 0) @ w
    return float(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]))


def gradient_by_hand(v: np.ndarray, w: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of that loss, by v and by w."""
    h = np.maximum(x @ v, 0)
    p = np.exp(h @ w)
    p /= p.sum(1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    p /= len(y)
    return x.T @ ((p @ w.T) * (h > 0)), h.T @ p


def arrays(network: Relu, k: int, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """v, w, x and y of one replica."""
    x, y = network.parts[part]
    return network.v[k].detach().numpy(), network.w[k].detach().numpy(), x[k].numpy(), y[k].numpy()
