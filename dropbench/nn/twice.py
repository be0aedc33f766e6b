"""Switches to operations that can be differentiated twice, in place of those with a hand-written gradient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

_plain = False


def plain() -> bool:
    """Returns whether to use only torch's own operations, which torch can differentiate any number of times."""
    return _plain


@contextmanager
def differentiable_twice(layers_of_torch: bool = False) -> Iterator[None]:
    """Context manager within which gradients can be differentiated again. Passes are slower and round differently.

    layers_of_torch: whether to switch off the fused kernels of torch's own recurrent layers and attention too, for a user's
    network. This slows down its convolutions.
    """
    global _plain
    before, _plain = _plain, True
    try:
        with _unfused() if layers_of_torch else nullcontext():
            yield
    finally:
        _plain = before


@contextmanager
def _unfused() -> Iterator[None]:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    libraries: tuple[Any, ...] = torch.backends.mkldnn, torch.backends.cudnn
    before = [library.enabled for library in libraries]
    try:
        for library in libraries:
            library.enabled = False
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        for library, enabled in zip(libraries, before, strict=True):
            library.enabled = enabled
