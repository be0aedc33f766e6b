"""A report as one interactive HTML page. It loads nothing over the network, and can be read without scripts."""

from dropbench.report.output.page.render import commands, page, sources

__all__ = ["commands", "page", "sources"]
