"""Checks whether a model fits into the memory of this machine at all."""

from __future__ import annotations

from dropbench.hardware.ram import ram
from dropbench.planning.outline import Outline
from dropbench.spec import Component

_BYTES = 8
"""The least memory per parameter: its value and its gradient, in float32."""


def too_large(model: Component, outline: Outline) -> str | None:
    """Returns why one run of this model cannot be trained here, or None."""
    needed, there = _BYTES * outline.parameters, ram()
    if there is None or needed <= there:
        return None
    return (
        f"model={model.name} would have {outline.parameters:,} parameters, {needed / 1e9:,.0f} GB with their gradients, and "
        f"this machine has {there / 1e9:,.0f} GB; make it smaller"
    )
