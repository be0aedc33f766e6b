"""Measurements: one a file, each a pure function of what the engine gives it.

A metric gets the logits [K, n, C] and targets [K, n] of a whole split, with the model in evaluation mode, and returns one
number for each of K replicas, [K]. What needs more than that is a probe, called once a run: see `probe`.
"""
