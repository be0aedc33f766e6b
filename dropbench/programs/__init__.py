"""Experiments of several fits, each a function of a seed that gives the one number by which a study's statement is judged."""
