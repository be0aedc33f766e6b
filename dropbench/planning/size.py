"""Whether a model can be in the memory of this machine at all."""

from __future__ import annotations

import os

from dropbench.planning.outline import Outline
from dropbench.spec import Component

_BYTES = 8
"""Of a parameter at least: itself and its gradient, in float32."""


def too_large(model: Component, outline: Outline) -> str | None:
    """Why one run of this model cannot be trained here, or None."""
    needed, there = _BYTES * outline.parameters, _memory()
    if there is None or needed <= there:
        return None
    return (
        f"model={model.name} would have {outline.parameters:,} parameters, {needed / 1e9:,.0f} GB with their gradients, and "
        f"this machine has {there / 1e9:,.0f} GB; make it smaller"
    )


def _memory() -> int | None:
    """Of the machine, in bytes; None where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
