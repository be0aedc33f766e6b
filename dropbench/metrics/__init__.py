"""Measurements, one per file. Each is a pure function of its arguments.

A metric gets the logits [K, n, C] and targets [K, n] of a whole split, with the model in evaluation mode, and returns one
number for each of K replicas, [K]. A measurement that needs more than that is a probe, which is called once per run: see
`probe`.
"""
