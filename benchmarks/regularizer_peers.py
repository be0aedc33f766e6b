"""Training steps in plain PyTorch with the regularizers of torch, torchvision and timm, for benchmarks.regularizers.

Each class is a step of an ordinary loop with one regularizer, as the documentation of its library has it. Where no library has
one, the few lines that people write stand here. The networks are those of the stacks `mlp` and `cnn` there, with Adam.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from timm.data.mixup import Mixup
from timm.data.random_erasing import RandomErasing
from timm.optim.lookahead import Lookahead
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim.swa_utils import AveragedModel
from torchvision.transforms import v2

BATCH, CLASSES = 64, 10
Loss = Callable[["Plain", Tensor, Tensor], Tensor]


def network(model: str) -> nn.Sequential:
    """Return the network of this name for images of 28 × 28 pixels."""
    if model == "mlp":
        sizes, body = (784, 128, 128), list[nn.Module]()
        body.append(nn.Flatten())
        for before, after in pairwise(sizes):
            body += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(0.5)]
        return nn.Sequential(*body, nn.Linear(128, CLASSES))
    body = []
    for before, after in ((1, 32), (32, 64)):
        body += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5)]
    return nn.Sequential(
        *body, nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, CLASSES)
    )


class Plain:
    """An ordinary training step.

    Parameters
    ----------
    model : str
        `mlp` or `cnn`.
    loss : callable, optional
        Takes this, a batch and its labels; returns what is minimized.
    """

    def __init__(self, model: str, loss: Loss | None = None) -> None:
        torch.manual_seed(0)
        self.model = network(model)
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(self.model.parameters(), lr=0.001)
        self.loss = loss or (lambda step, x, y: F.cross_entropy(step.model(x), y))
        self.x, self.y = torch.rand(10 * BATCH, 1, 28, 28), torch.arange(10 * BATCH) % CLASSES
        self._batches = self._next()

    def _next(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            for rows in torch.randperm(len(self.x)).split(BATCH):
                yield self.x[rows], self.y[rows]

    def step(self, x: Tensor, y: Tensor) -> None:
        """Take one update."""
        self.optimizer.zero_grad()
        self.loss(self, x, y).backward()
        self.before()
        self.optimizer.step()
        self.after()

    def before(self) -> None:
        """Change the gradient."""

    def after(self) -> None:
        """Keep or change the weights."""

    def seconds(self, steps: int) -> float:
        """Return the processor seconds of this many updates, after one that is not counted."""
        began = 0.0
        for i in range(steps + 1):
            if i == 1:
                began = time.process_time()
            self.step(*next(self._batches))
        return time.process_time() - began


def _of_batch(change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Loss:
    def loss(step: Plain, x: Tensor, y: Tensor) -> Tensor:
        x, y = change(x, y)
        return F.cross_entropy(step.model(x), y)

    return loss


def _of_pictures(change: Callable[[Tensor], Tensor]) -> Loss:
    """Change each picture by itself, as a data set's transform does."""
    return _of_batch(lambda x, y: (torch.stack([change(one) for one in x]), y))


def _penalty(size: Callable[[Tensor], Tensor]) -> Loss:
    def loss(step: Plain, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(step.model(x), y) + 1e-4 * sum(size(p) for p in step.model.parameters() if p.ndim > 1)

    return loss


def _r_drop(step: Plain, x: Tensor, y: Tensor) -> Tensor:
    one, two = (F.log_softmax(step.model(x), 1) for _ in range(2))
    apart = F.kl_div(one, two, log_target=True, reduction="batchmean")
    apart = apart + F.kl_div(two, one, log_target=True, reduction="batchmean")
    return (F.nll_loss(one, y) + F.nll_loss(two, y)) / 2 + apart / 4


def _fgsm(step: Plain, x: Tensor, y: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    clean = F.cross_entropy(step.model(x), y)
    (slope,) = torch.autograd.grad(clean, x, retain_graph=True)
    return 0.5 * clean + 0.5 * F.cross_entropy(step.model((x + 0.1 * slope.sign()).detach()), y)


def _jacobian(step: Plain, x: Tensor, y: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    out = step.model(x)
    along = F.normalize(torch.randn_like(out), dim=1)
    (slope,) = torch.autograd.grad(out, x, along, create_graph=True)
    return F.cross_entropy(out, y) + 0.005 * CLASSES * slope.flatten(1).square().sum(1).mean()


class _Ema(Plain):
    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.average = ModelEmaV3(self.model, decay=0.99)

    def after(self) -> None:
        self.average.update(self.model)


class _Swa(Plain):
    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.average = AveragedModel(self.model)

    def after(self) -> None:
        self.average.update_parameters(self.model)


class _Lookahead(Plain):
    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.optimizer = Lookahead(self.optimizer, alpha=0.5, k=5)


class _SpectralNorm(Plain):
    def __init__(self, model: str) -> None:
        super().__init__(model)
        for part in self.model:
            if isinstance(part, nn.Linear | nn.Conv2d):
                spectral_norm(part)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.001)


class _GradientNoise(Plain):
    def before(self) -> None:
        for p in self.model.parameters():
            assert p.grad is not None
            p.grad.add_(0.1 * torch.randn_like(p.grad))


class _Sam(Plain):
    def step(self, x: Tensor, y: Tensor) -> None:
        """Take the step of Foret et al. 2021: the gradient of a point that lies uphill."""
        weights = dict(self.model.named_parameters())
        slopes = torch.autograd.grad(F.cross_entropy(self.model(x), y), tuple(weights.values()))
        far = 0.05 / torch.stack([s.norm() for s in slopes]).norm()
        uphill = {n: (p + far * s).detach().requires_grad_() for (n, p), s in zip(weights.items(), slopes, strict=True)}
        there = F.cross_entropy(functional_call(self.model, uphill, (x,)), y)
        for p, slope in zip(weights.values(), torch.autograd.grad(there, tuple(uphill.values())), strict=True):
            p.grad = slope
        self.optimizer.step()


def peers(model: str) -> dict[str, tuple[str, Plain]]:
    """Return (whose it is, its step) by the name that the regularizer has here."""
    erase = RandomErasing(probability=1.0, min_area=0.25, max_area=0.25, min_aspect=1.0, device="cpu")
    timm = {
        "mixup": Mixup(mixup_alpha=0.2, label_smoothing=0.0, num_classes=CLASSES),
        "cutmix": Mixup(mixup_alpha=0.0, cutmix_alpha=1.0, label_smoothing=0.0, num_classes=CLASSES),
    }
    augment = v2.Compose([v2.ToDtype(torch.uint8, scale=True), v2.RandAugment(), v2.ToDtype(torch.float32, scale=True)])
    return {
        "mixup": ("timm", Plain(model, _of_batch(timm["mixup"]))),
        "cutmix": ("timm", Plain(model, _of_batch(timm["cutmix"]))),
        "cutout": ("timm, `RandomErasing`", Plain(model, _of_batch(lambda x, y: (erase(x.clone()), y)))),
        "randaugment": ("torchvision, each picture by itself", Plain(model, _of_pictures(augment))),
        "input_noise": ("by hand", Plain(model, _of_batch(lambda x, y: (x + 0.1 * torch.randn_like(x), y)))),
        "ema": ("timm, `ModelEmaV3`", _Ema(model)),
        "swa": ("torch, `AveragedModel`", _Swa(model)),
        "lookahead": ("timm", _Lookahead(model)),
        "spectral_norm": ("torch, a parametrization: Miyato et al. 2018", _SpectralNorm(model)),
        "l1": ("by hand", Plain(model, _penalty(lambda p: p.abs().sum()))),
        "l2": ("by hand", Plain(model, _penalty(lambda p: p.square().sum()))),
        "gradient_noise": ("by hand", _GradientNoise(model)),
        "sam": ("by hand", _Sam(model)),
        "fgsm_training": ("by hand", Plain(model, _fgsm)),
        "r_drop": ("by hand", Plain(model, _r_drop)),
        "jacobian": ("by hand", Plain(model, _jacobian)),
    }
