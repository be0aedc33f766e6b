"""No dropout: the baseline arm."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Kind, Site


class NoDropout(Variant):
    """Acts nowhere. In a stack with other arms its replicas have rate 0, at which every variant is the identity."""

    kinds: ClassVar[frozenset[Kind]] = frozenset()

    @override
    def supports(self, site: Site) -> str | None:
        return "adds no noise"
