"""Operations that can be differentiated twice, in place of those whose gradient is written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

_plain = False


def plain() -> bool:
    """Whether operations are to be composed of torch's own, each of which torch can differentiate any number of times."""
    return _plain


@contextmanager
def differentiable_twice(layers_of_torch: bool = False) -> Iterator[None]:
    """Passes within can have the gradient of a gradient taken. They are slower and round in another way.

    layers_of_torch: whether a user's network may be in it, whose recurrent layers and attention have fused kernels. Those are
    switched off too, which slows its convolutions down.
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
