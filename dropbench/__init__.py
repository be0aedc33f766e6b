"""An answer by experiment: does dropout help on this model and data, which kind, at what rate, where, and how sure is that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dropbench.hardware import torchvision
from dropbench.hardware.blas import settle

if TYPE_CHECKING:
    from dropbench.execute.loading import load_model

__all__ = ["load_model"]

settle()
torchvision.watch()


def __getattr__(name: str) -> Any:
    # Late: it needs torch, for which commands that train nothing should not wait.
    if name == "load_model":
        from dropbench.execute.loading import load_model

        return load_model
    raise AttributeError(f"module 'dropbench' has no attribute '{name}'")
