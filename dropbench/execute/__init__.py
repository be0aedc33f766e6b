"""Runs cohorts: in this process, in a pool of worker processes or on a cluster. Handles retries and reports events."""
