"""The warning before all tables that every run, or every run of the baseline, diverged."""

from __future__ import annotations

from collections import Counter

from dropbench.report.tables.comparison import Comparison
from dropbench.values import UNDEFINED, count

TRY = "lower train.lr, or clip the gradient: train.grad_clip=1"
_MONITOR = "choose another score for the epoch, such as train.monitor=val_loss, or another split"


def headline(comparison: Comparison) -> str | None:
    """Return a warning if some runs diverged and no run, or none of the baseline, completed; the table alone would not tell."""
    whole = _ended(comparison, comparison.labels)
    if whole is not None:
        return f"{comparison.title}: every run {whole}. There is nothing to compare; {_remedy(comparison)}."
    if comparison.baseline is not None and (base := _ended(comparison, [comparison.baseline])) is not None:
        alone = "train.lr" in comparison.runs and comparison.runs["train.lr"].map(str).nunique() > 1
        return (
            f"{comparison.title}: every run of the baseline, {comparison.baseline}, {base}. An arm that does better "
            f"only shows that the baseline did not finish; {'for the baseline' if alone else 'in all arms'}, "
            f"{_remedy(comparison)}."
        )
    return None


def _remedy(comparison: Comparison) -> str:
    diverged = comparison.runs[comparison.runs["status"] == "diverged"]
    return _MONITOR if all(str(why).endswith(UNDEFINED) for why in diverged["reason"]) else TRY


def _ended(comparison: Comparison, labels: list[str]) -> str | None:
    """Return `diverged`, or how many diverged and how many failed; None if a run completed or none diverged."""
    statuses = Counter(s for label in labels for s in comparison.runs_of(label)["status"].tolist())
    if statuses["completed"] or not statuses["diverged"]:
        return None
    diverged, failed = statuses["diverged"], statuses["failed"]
    return f"diverged ({count(diverged, 'run')})" if not failed else f"diverged ({diverged}) or failed ({failed})"
