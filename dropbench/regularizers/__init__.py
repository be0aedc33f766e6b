"""Regularizers beside dropout: one idea a file, each with its option in conf/regularizer. `base` has the contract."""
