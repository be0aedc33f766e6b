"""Measurements of dropbench and of what a user would use instead. See `python -m benchmarks --help`."""
