"""The diagnosis: what a comparison means for the next run."""
