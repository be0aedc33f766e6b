"""`python -m dropbench`."""

from dropbench.cli import script

script()
