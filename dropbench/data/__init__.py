"""Data sets: one a file, each with a function `load` that returns a Table."""
