"""A report as one page that can be explored: no network, and no script that reading it would need."""

from dropbench.report.output.page.render import commands, page, sources

__all__ = ["commands", "page", "sources"]
