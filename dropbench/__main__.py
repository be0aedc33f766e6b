"""`python -m dropbench`."""

from dropbench.cli import main

main()
