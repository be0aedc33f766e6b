"""From overrides and studies to a list of runs that can all be trained, and from records back to commands."""
