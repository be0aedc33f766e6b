"""Records -> pandas -> statistics -> tables -> text and pictures. No torch.

Importing this package loads nothing heavy: pandas and whatever else a function needs are imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dropbench.report.output import ENDINGS, FORMATS

if TYPE_CHECKING:
    from dropbench.report.assemble import asked, build, for_plan, pivot
    from dropbench.report.claimed import claims
    from dropbench.report.follow import standing
    from dropbench.report.output.figures import width_of, write_figures
    from dropbench.report.output.formats import render, write
    from dropbench.report.output.page import page
    from dropbench.report.output.terminal import show
    from dropbench.report.single_runs import list_runs
    from dropbench.report.sql import query
    from dropbench.report.tables.asked import Questions
    from dropbench.report.tables.explained import explained

__all__ = [
    "ENDINGS",
    "FORMATS",
    "Questions",
    "asked",
    "build",
    "claims",
    "explained",
    "for_plan",
    "list_runs",
    "page",
    "pivot",
    "query",
    "render",
    "show",
    "standing",
    "width_of",
    "write",
    "write_figures",
]

_FILES = {
    "assemble": ("asked", "build", "for_plan", "pivot"),
    "claimed": ("claims",),
    "single_runs": ("list_runs",),
    "sql": ("query",),
    "output.figures": ("width_of", "write_figures"),
    "output.formats": ("render", "write"),
    "output.page": ("page",),
    "output.terminal": ("show",),
    "follow": ("standing",),
    "tables.asked": ("Questions",),
    "tables.explained": ("explained",),
}


def __getattr__(name: str) -> Any:
    for file, names in _FILES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{file}"), name)
    raise AttributeError(f"module {__name__} has no attribute {name}")
