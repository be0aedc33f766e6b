"""Imports the engine before any matrix product, because it sets how MKL rounds, which MKL reads only once (see there)."""

from __future__ import annotations

import dropbench.engine  # noqa: F401
