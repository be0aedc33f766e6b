"""Two samples of noisy tensors side by side: the same drop fractions, means, variances and covariances, place by place."""

from __future__ import annotations

import importlib.util
import math
import os
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch
from noise_kit import noisy
from torch import Tensor

from dropbench.data._torchvision import torchvision
from dropbench.sites import Site

N = 20_000
VECTOR = Site("x", "activation", (12,), "F")
SEQUENCE = Site("x", "activation", (4, 6), "TF")
MAPS = Site("x", "activation", (3, 3, 4), "CHW")


def fixed_input(at: Site, n: int = N) -> Tensor:
    """[n, *shape]: other values in each place, the same for every example, so that only noise differs between examples."""
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(at.shape, generator=generator) + 0.5).expand(n, *at.shape)


def ours(variant: str, at: Site, rate: float, n: int = N) -> Tensor:
    """[n, *shape]: the fixed input in training."""
    return noisy(variant, at, fixed_input(at, n), rate)


def distance(a: Tensor, b: Tensor) -> float:
    """The largest difference between two independent samples [n, ...] in standard errors.

    Of the mean of every place and of the product of every two places, squares among them; and the same of what is dropped,
    which for places that fall together or apart says how often they do. At most some 2,000 comparisons: 5 is passed by
    chance once in a thousand times.
    """
    assert a.shape[1:] == b.shape[1:] and bool(a.isfinite().all()) and bool(b.isfinite().all())
    largest = 0.0
    for f in (lambda y: y, lambda y: (y == 0).to(y.dtype)):
        (ma, va), (mb, vb) = (_mean_products(f(y.flatten(1).double())) for y in (a, b))
        error = (va / len(a) + vb / len(b)).clamp(min=0).sqrt()
        # Rounding of what does not vary, and of a rate to 16 bits.
        difference = ((ma - mb).abs() - 1e-6 * (1 + ma.abs())).clamp(min=0)
        largest = max(largest, float(torch.where(difference > 0, difference / error, 0.0).max()))
    return largest


def _mean_products(y: Tensor) -> tuple[Tensor, Tensor]:
    """Means of 1 · y_i and y_i · y_j over examples, and the variances of these products, [D + 1, D + 1]."""
    z = torch.cat([torch.ones_like(y[:, :1]), y], 1)
    mean = z.T @ z / len(z)
    return mean, (z**2).T @ z**2 / len(z) - mean**2


def drop_fraction(y: Tensor) -> tuple[float, float]:
    """Over all places, and its standard error from example to example."""
    each = (y == 0).flatten(1).double().mean(1)
    return float(each.mean()), float(each.std()) / math.sqrt(len(each))


def vision() -> ModuleType:
    """torchvision.ops."""
    return torchvision().ops  # type: ignore[no-any-return]


@cache
def timm_layers() -> ModuleType:
    torchvision()  # which timm imports, and cannot by itself beside every torch
    return pytest.importorskip("timm.layers", reason="needs timm: pip install -c constraints.txt -e '.[test]'")


@cache
def keras_layers(home: Path) -> ModuleType:
    """keras.layers on torch. `home` takes the file of settings that Keras writes when it is imported first."""
    if importlib.util.find_spec("keras") is None:
        pytest.skip("needs keras: pip install -c constraints.txt -e '.[test]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "KERAS_BACKEND", "torch")
        patch.setitem(os.environ, "KERAS_HOME", str(home))
        keras = importlib.import_module("keras")
    assert keras.backend.backend() == "torch"
    layers: ModuleType = keras.layers
    return layers
