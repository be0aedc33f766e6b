"""Regularizers other than dropout, one per file, each with a YAML in conf/regularizer. `base` has the contract."""
