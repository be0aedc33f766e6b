"""One statistic a file: intervals, tests, power, verdicts."""
