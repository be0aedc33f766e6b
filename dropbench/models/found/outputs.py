"""The logits in what a module gives: a tensor, or what holds one, as Hugging Face's and torchvision's outputs do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def logits(output: Any) -> Tensor | None:
    """The tensor, `logits` of an object or mapping, or the first tensor of a tuple; None where there is none."""
    if isinstance(output, Tensor):
        return output
    named = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    if isinstance(named, Tensor):
        return named
    if isinstance(output, (list, tuple)):
        return next((part for part in output if isinstance(part, Tensor)), None)
    return None


def described(output: Any) -> str:
    """What a module gives, for messages."""
    found = logits(output)
    if found is None:
        return f"a {type(output).__name__} without logits"
    return f"outputs of shape {list(found.shape)}"
