"""Dropout variants, one per file. Each implements the contract in `base`."""
