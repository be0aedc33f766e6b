"""Mathematical statements about dropout, checked by computation: one function per statement, which yields its cases.

A study names them under `checks`. Expectations are sums over all masks, not samples. Statements about the engine's noise use
that noise.
"""
