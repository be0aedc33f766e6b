"""Reads stored runs into a table of runs, filters them, and computes measures from them."""
