"""Data sets, one per file, each with a function `load` that returns a Table."""
