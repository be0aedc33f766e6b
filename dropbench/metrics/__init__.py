"""Measurements: one a file, each a pure function of what the engine hands it.

logits [K, n, C] and targets [K, n] of a whole split, the model in evaluation mode; the result is [K]. What needs more than that
is a probe, called once a run: see `probe`.
"""
