"""The engine is imported before anything multiplies: it sets how MKL rounds, which MKL asks once (see the comment there)."""

from __future__ import annotations

import dropbench.engine  # noqa: F401
