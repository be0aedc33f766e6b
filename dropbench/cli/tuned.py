"""Sentences on what tuning found for each arm: its setting, what speaks against it, and which arms have none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dropbench.values import count, written

if TYPE_CHECKING:
    from dropbench.store import Store, StoredPlan, Tuned


def said(tuned: Tuned) -> str:
    """Return a line on one arm: which setting was chosen, and what speaks against the choice."""
    n, best = len(tuned.candidates), tuned.best
    if best is None:
        return f"not tuned: {tuned.arm}, {_every(n)} failed, so it is left out of the comparison"
    setting = _setting(best.setting)
    if tuned.all_diverged:
        first = f" {setting}, the first of them, is compared." if n > 1 else " It is compared anyway."
        return f"not tuned: {tuned.arm}, {_every(n)} diverged, so no setting is better than another.{first}"
    return ". ".join([f"tuned: {tuned.arm}, {setting}", *_but(tuned)])


def left_out(plan: StoredPlan, store: Store) -> Iterator[str]:
    """Yield which arms of a plan have no setting, because each candidate failed, and what that means for the comparison."""
    from dropbench.store import Record

    found = plan.course.tuned if plan.course else []
    lost = [t for t in found if t.best is None]
    if not lost:
        return
    runs = plan.course.stages[0].runs if plan.course else []
    reasons = {r.arm_id: r.reason for run in runs if isinstance(r := store.find(run), Record) and r.status == "failed"}
    again = "fix this and run the same command again"
    for one in lost:
        of = f"{_every(len(one.candidates))} failed while it was tuned ({reasons.get(one.arm_id) or 'see above'})"
        if one.baseline:
            yield f"nothing is compared with {one.arm}, the baseline, because {of}; {again}"
        else:
            yield f"{one.arm} is left out of the comparison: {of}; {again} to include it"
    if not plan.runs and not any(t.baseline for t in lost):
        yield "there is no comparison, because fewer than two arms are left"


def _but(tuned: Tuned) -> Iterator[str]:
    """Yield what a reader should know about the choice, such as failed candidates, ties and values at the edge."""
    best = tuned.best
    assert best is not None
    n = len(tuned.candidates)
    failed, diverged = (sum(bool(getattr(c, what)) for c in tuned.candidates) for what in ("failed", "diverged"))
    if n == 1:
        yield "It has only one setting, so there is nothing to choose"
    if failed:
        yield f"Of its {count(n, 'setting')} {failed} failed" + (", this one under some seeds" if best.failed else "")
    if diverged:
        yield f"Of its {count(n, 'setting')} {diverged} diverged" + (
            ", this one under some seeds" if best.diverged else ""
        )
    if best.score is None:
        yield f"None of them has a {tuned.measure}, so the first one is taken"
    if tuned.equals:
        others = " and ".join(_setting(c.setting) for c in tuned.equals)
        rule = "" if tuned.measure == "val_loss" else "the smaller validation loss decides, and then "
        yield f"{others} scored the same: {rule}the order in which they were typed"
    for edge in tuned.edges:
        value = f"{edge.key}={written(edge.value)}"
        yield f"{value} is the {edge.end} that was tried: also try {edge.key}={written(edge.beyond)}"


def _every(n: int) -> str:
    return "its one setting" if n == 1 else f"each of its {n} settings"


def _setting(setting: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={written(value)}" for key, value in setting.items())
