"""`python -m dropbench`."""

from dropbench.cli.app import script

script()
