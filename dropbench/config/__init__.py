"""Builds a frozen, checked RunSpec from Hydra's files and overrides."""
