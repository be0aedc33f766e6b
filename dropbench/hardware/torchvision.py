"""Declares two operators that torchvision needs, before a data set or a user's network imports torchvision.

With a CPU-only torch, torchvision's plain wheel cannot load its compiled operators, and its import fails because two
operator schemas are missing. They are declared just before the import, and only if they are missing; nothing is loaded
earlier.
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
# A Library removes its definitions when it is garbage-collected, so keep it as long as the process lives.
_declared: list[Any] = []


class _Before:
    """An import hook that finds nothing itself. It notices that torchvision is being imported and leaves the rest to others."""

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
    """Installs the hook, so that later imports of torchvision work."""
    if _BEFORE not in sys.meta_path and "torchvision" not in sys.modules:
        sys.meta_path.insert(0, _BEFORE)


def declare(folder: Path) -> None:
    """Loads torchvision's operators from its folder if possible, and declares those of the two that are still missing."""
    import torch

    for compiled in (*folder.glob("_C*.so"), *folder.glob("_C*.pyd")):
        # Operators built for CUDA need libraries that a CPU-only torch does not have.
        with contextlib.suppress(OSError):
            torch.ops.load_library(compiled)
    for name, schema in _ABSENT.items():
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(schema)
            _declared.append(library)
