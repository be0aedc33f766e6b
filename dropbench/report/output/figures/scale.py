"""Numbers as a picture shows them: accuracies in percent, differences of them in points."""

from __future__ import annotations

from dropbench.report.records.measures import direction, in_percent, spoken


def factor(measure: str) -> float:
    """What a value is multiplied by to be shown."""
    return 100.0 if in_percent(measure) else 1.0


def axis(measure: str) -> str:
    """`validation accuracy, %`."""
    return f"{spoken(measure)}, %" if in_percent(measure) else spoken(measure)


def difference_axis(measure: str, baseline: str) -> str:
    """`test accuracy minus that of none, points (higher is better)`."""
    unit = ", points" if in_percent(measure) else ""
    way = {1: " (higher is better)", -1: " (lower is better)", 0: ""}[direction(measure)]
    return f"{spoken(measure)} minus that of {baseline}{unit}{way}"
