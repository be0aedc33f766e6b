"""What to do now, in two short sentences under the heading: which arm to use until more is known, and what would tell more."""

from __future__ import annotations

from dropbench.report.tables.comparison import Comparison, Diagnosis
from dropbench.report.tables.facts import DOWNWARDS, UPWARDS, chosen_among_several, has_learned_nothing, leader, ranked
from dropbench.report.tables.finding import past_best
from dropbench.report.tables.last_epoch import IMPROVING
from dropbench.report.tables.repeats import under_fresh_seeds
from dropbench.values import plain

_FIRST = ("unstable", "nothing learned", "one class", "fresh seeds", "helping", "undecided")
"""The rules of the diagnosis whose advice is repeated here, by importance; the others refine what is known already."""
_NAMED = 2
"""The most arms that are named."""


def todo(c: Comparison, own: str = "") -> str:
    """Return what to do after a comparison: `Keep the baseline (none) for now. Or train ...`; empty without a better way.

    own: the arm in which a user's network is as it was written, if any.
    """
    if not (use := to_use(c, own)):
        return ""
    found = min(
        (d for d in c.diagnosis or () if d.rule in _FIRST and d.advice),
        key=lambda d: _FIRST.index(d.rule),
        default=None,
    )
    return plain(" ".join(filter(None, (use, _next(c, found)))))


def to_use(c: Comparison, own: str = "") -> str:
    """Return the first of these sentences: which arm to use until more is known."""
    if c.baseline is None or not c.verdicts or c.measure is None or not c.measure.direction:
        return ""
    told = [label for label in ranked(c.verdicts) if c.verdicts[label].direction]
    ups = [label for label in told if c.verdicts[label].direction in UPWARDS]
    sure = [label for label in ups if c.verdicts[label].confirmed]
    again = under_fresh_seeds(c)
    if held := [label for label in ranked(again) if again[label].confirmed and again[label].direction in UPWARDS]:
        return f"Use {held[0]}: seeds that had no part in choosing it confirm that it does better."
    if sure and not again:
        first = leader(c, sure)
        if past_best(c):
            return f"Keep the baseline ({c.base}) for now: {first} may do better only because it overfits later."
        unsure = ", once seeds that had no part in choosing it confirm it" if chosen_among_several(c, first) else ""
        return f"Use {first}{unsure}."
    if has_learned_nothing(c) and not ups:
        return "Draw no conclusion from these runs yet."
    # A network that has dropout keeps it unless it is shown to be worse for it.
    if own in c.verdicts and not (c.verdicts[own].direction in DOWNWARDS and c.verdicts[own].confirmed):
        return f"Keep your network as it is written ({own}) for now."
    if ups and not again:
        return f"Keep the baseline ({c.base}) until more seeds confirm {leader(c, ups)}."
    settled = all(c.verdicts[label].not_better or c.verdicts[label].confirmed for label in told)
    return f"Keep the baseline ({c.base}){'' if settled and told else ' for now'}."


def _next(c: Comparison, found: Diagnosis | None) -> str:
    """Return the next step of a rule of the diagnosis, as a sentence. The page has its command further down."""
    if (late := past_best(c)) and not c.fresh:
        return f"First compare them with early stopping: add {late.options[0]} to the same command."
    early = next((d for d in c.further if d.rule == IMPROVING), None)
    broken = found is not None and found.rule in ("unstable", "nothing learned", "one class", "fresh seeds")
    if early and not broken and not c.fresh and not any(k.direction in UPWARDS for k in c.verdicts.values()):
        return f"First train for longer: add {' '.join(early.options)} to the same command."
    if found is None:
        return ""
    if found.rule == "undecided" and found.steps:
        reached = len(found.steps) - 1  # one of the steps is the baseline's
        if reached <= _NAMED:
            return f"Or train {found.advice}."
        every = reached == len(found.arms)
        which = (
            " of every arm that is still open" if every else f": they settle {reached} of {len(found.arms)} open arms"
        )
        return f"Or train {len(found.steps[0].seeds)} more seeds{which}."
    if found.confirm:
        return "dropbench report --confirm trains under such seeds."
    first = "First " if found.rule in ("unstable", "nothing learned") else ""
    return f"{first}{found.advice if first else found.advice[:1].upper() + found.advice[1:]}."
