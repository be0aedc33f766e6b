"""All notes of one comparison, in the order to read them."""

from __future__ import annotations

from collections.abc import Sequence

from dropbench.report.tables import courses, population
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.notes import choice, pairing, runs, verdicts
from dropbench.report.tables.notes.note import Note, as_they_are
from dropbench.store import StoredPlan


def notes(
    comparison: Comparison, wanted: str, candidates: Sequence[str], why: Sequence[str], plans: Sequence[StoredPlan]
) -> list[Note]:
    """Return all notes of a comparison.

    Parameters
    ----------
    wanted : str
        The name that the baseline was looked for under.
    candidates : sequence
        The labels that this name may have meant.
    why : sequence
        Sentences that explain why another arm is the baseline.
    plans : sequence
        The stored plans that have some of its runs.
    """
    told = as_they_are(runs.about_data(plans, set(comparison.runs["run_id"])))
    told += [*runs.about(comparison), *pairing.notes(comparison, wanted, candidates)]
    told += as_they_are([*runs.mixed(comparison.runs), *why])
    told += [*verdicts.notes(comparison), *population.notes(comparison), *choice.notes(comparison)]
    return [*told, *courses.notes(comparison, plans)]
