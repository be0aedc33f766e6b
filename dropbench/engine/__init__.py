"""The engine: trains one cohort as a stacked model. No files, no console."""
