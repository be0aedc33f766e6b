"""Results of chosen arms under fresh seeds. They settle more than the seeds of the choice, whose scores are too high."""

from __future__ import annotations

from dropbench.report.diagnosis.evidence import Evidence, p_of
from dropbench.report.diagnosis.remedies import MANY_SEEDS, it_would_take
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.verdict import SAME
from dropbench.report.tables.comparison import Diagnosis
from dropbench.report.tables.repeats import under_fresh_seeds


def fresh(e: Evidence) -> list[Diagnosis]:
    """Say for each arm that was compared again under fresh seeds what they settle."""
    told = e.comparison.verdicts if e.comparison.fresh else under_fresh_seeds(e.comparison)
    return [
        Diagnosis("fresh seeds", (label,), _says(label, contrast), _advice(label, contrast, e.comparison.base))
        for label, contrast in told.items()
        if contrast.verdict
    ]


def _says(label: str, contrast: Contrast) -> str:
    known = contrast.difference.p_adjusted == contrast.difference.p_adjusted
    return (
        f"Under seeds that did not choose it, {label} changes {contrast.measure.spoken} by {contrast}"
        f"{f', {p_of(contrast)}' if known else ''}."
    )


def _advice(label: str, contrast: Contrast, baseline: str) -> str:
    if contrast.confirmed:
        if contrast.direction == "better":
            return f"keep {label}"
        why = "makes no difference that matters" if contrast.direction == SAME else "is worse"
        return f"keep {baseline}, since {label} {why}"
    likely = contrast.seeds_needed.likely
    if likely <= MANY_SEEDS:
        study = f"a sweep of the two in another results folder, under {likely:.0f} seeds decided on beforehand"
        return f"keep {baseline} for now; to settle it, {study}"
    return f"keep {baseline}: {it_would_take({label: contrast})[0]}"
