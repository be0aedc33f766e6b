"""Experiments that fit several models. Each is a function of a seed and returns the number by which a statement is judged."""
