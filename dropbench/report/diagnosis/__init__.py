"""What a comparison means for the next run."""
