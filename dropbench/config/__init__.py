"""From Hydra's files and overrides to a frozen, checked RunSpec."""
