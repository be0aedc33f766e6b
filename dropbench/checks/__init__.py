"""Statements about dropout that are mathematics, computed: one function a statement, which gives its cases.

A study names them under `checks`. Expectations are sums over every mask, not samples, and what drops is the engine's own noise
wherever the statement is about it.
"""
