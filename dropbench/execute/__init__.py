"""Where cohorts run: in this process, or in a pool of worker processes. Retries, and events for who is watching."""
