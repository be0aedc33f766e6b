"""Runs the command line as `python -m dropbench`."""

from dropbench.cli.entry import script

script()
