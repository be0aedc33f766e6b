"""Dropout variants: one a file, each three answers to the contract in `base`."""
