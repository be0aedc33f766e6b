"""Whoever imports torchvision, a data set of ours or a user's network, finds the operators declared that it cannot be without.

Beside a CPU-only torch, torchvision's plain wheel cannot load its compiled operators, and its import then fails for want of two
schemas. They are declared when it is about to be imported, and only where they are absent; until then nothing is loaded.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

_ABSENT = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
# A Library takes its definitions back when it is garbage-collected, so keep them for as long as the process lives.
_declared: list[Any] = []


class _Before:
    """Finds nothing by itself: it hears that torchvision is looked for, and leaves finding it to the others."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "torchvision" or _BEFORE not in sys.meta_path:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin is not None:
            sys.meta_path.remove(_BEFORE)
            declare(Path(spec.origin).parent)
        return None


_BEFORE = _Before()


def watch() -> None:
    """From now on an import of torchvision has what it needs."""
    if _BEFORE not in sys.meta_path and "torchvision" not in sys.modules:
        sys.meta_path.insert(0, _BEFORE)


def declare(folder: Path) -> None:
    """Loads torchvision's operators from its folder where that can be, and declares those two that are then absent."""
    import torch

    for compiled in (*folder.glob("_C*.so"), *folder.glob("_C*.pyd")):
        # Operators built for CUDA need libraries that are missing beside a CPU-only torch.
        with contextlib.suppress(OSError):
            torch.ops.load_library(compiled)
    for name, schema in _ABSENT.items():
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(schema)
            _declared.append(library)
