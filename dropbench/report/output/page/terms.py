"""Explanations of the tables' columns, to stand below the table that has them."""

from __future__ import annotations

from dropbench.report.tables.columns import Sheet

TERMS = {
    "arm": "One setting that was compared: a variant of dropout with its rate, and the regularizers beside it.",
    "n": "How many runs finished, one under each seed. The number before \N{PLUS-MINUS SIGN} is their mean, the one after it "
    "their standard deviation.",
    "pairs": "How many seeds both the arm and the baseline were trained under. A seed gives both the same split of the data, "
    "the same first weights, the same order of examples and the same random numbers, so they are compared seed by seed.",
    "verdict": "Where the interval lies: better or worse when all of it is beyond what counts as no difference, about the same "
    "when all of it is within. A question mark means not confirmed: there are fewer than six seeds, or only the "
    "interval that the arm would have by itself says so.",
    "interval": "The range of true differences that agree with these runs. Where several arms are compared, the ranges are "
    "wide enough that all of them together are right in 95 of 100 studies.",
    "p adjusted": "How often at least one of so many arms would differ this much by chance if no arm had an effect.",
    "p alone": "The same for this arm alone. Among many arms some have a small p by chance.",
    "seeds to confirm": "How many seeds in all would confirm a verdict: with an even chance, and with four chances in five.",
    "P(better)": "How often the arm does better than the baseline under a new seed.",
    "MDE": "Minimal detectable effect: a true difference of this size is confirmed by four in five studies like this one. "
    "Smaller ones are likely to be missed.",
    "gap": "Training minus validation score, both without noise: how much better the model does on what it has seen.",
    "best epoch": "The epoch with the best validation score.",
    "chosen epoch": "The epoch whose weights were tested.",
    "time seconds": "The training time of one run: its share of the time of the runs that it trained with.",
    "cohort's peak MB": "The peak memory of all runs that trained together.",
    "candidates": "The number of arms that it was chosen from.",
}
"""The explanations, by a column's heading or by words in it."""


def terms(sheet: Sheet) -> list[tuple[str, str]]:
    """Return (heading, explanation) of the columns of a table that have an explanation, each once."""
    told: dict[str, str] = {}
    for column in sheet.columns:
        heading = " ".join(h for h in column.heading if h)
        name = next(
            (t for t in TERMS if heading == t or heading.startswith(f"{t} ") or f" {t} " in f"{heading} "), None
        )
        if name and name not in told:
            told[name] = TERMS[name]
    return list(told.items())
