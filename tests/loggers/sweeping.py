"""The type of the fixture `sweep`."""

from __future__ import annotations

from collections.abc import Callable

from terminal import Said

Sweep = Callable[..., Said]
