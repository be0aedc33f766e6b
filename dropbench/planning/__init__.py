"""Turns overrides and studies into a list of runs that can all be trained, and records back into commands."""
