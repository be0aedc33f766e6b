"""Stored runs as a table of runs: read, filtered, and measured."""
