"""Experiments with several fits. Each is a function of a seed and returns the number by which a statement is judged."""
