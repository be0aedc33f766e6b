"""The statistics of a report, one per file: intervals, tests, power, verdicts."""
