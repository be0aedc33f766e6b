"""What stands under a table by default: few lines, and every warning among them; the rest is under --explain."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dropbench import report
from dropbench.report.tables.explained import explained
from dropbench.report.tables.report import Report
from dropbench.store import Store


@pytest.fixture
def three(fake: Any, put: Any, store: Store) -> Any:
    """Stores ten seeds of three arms; `fields` may change runs, by rate and seed."""

    def of(fields: Any = lambda rate, seed: {}) -> Report:
        for seed in range(10):
            for rate in (0.0, 0.25, 0.5):
                wobble = 0.003 * ((seed * 7 + round(8 * rate) * 3) % 5)
                changes = {"dropout": "standard", "dropout.rate": rate} if rate else {}
                put(fake(seed, changes=changes, val=0.9, **({"test": 0.9 + rate / 20 + wobble} | fields(rate, seed))))
        return report.build([store.root])

    return of


def under(made: Report, width: int = 100) -> list[str]:
    """The lines below the diagnosis, each note one line."""
    text = report.render(made, "rich", width)
    last = text.rpartition("\n\n")[2]
    return re.sub(r"\n {3,}", " ", last).splitlines()


def test_three_arms_take_eight_short_lines(three: Any) -> None:
    made = three()
    lines = under(made)
    assert len(lines) <= 8 and max(map(len, lines)) <= 130
    assert "gap: training minus validation" in lines[0] and "--explain" in lines[-1]
    assert len(lines) < len(made.comparisons[0].notes)


def test_under_explain_and_in_documents_they_are_whole(three: Any) -> None:
    made = three()
    notes = made.comparisons[0].notes
    assert any(note.startswith("p: two-sided") for note in notes)
    text = " ".join(report.render(explained(made), "rich", 100).split())
    page, document = report.render(made, "html"), report.render(made, "markdown")
    for note in notes:
        assert note in text and note in document
        assert note.partition(",")[0].partition("'")[0].partition("&")[0] in page
    assert "dropbench report --explain" not in text


def test_a_seed_that_carries_the_spread_is_told(three: Any) -> None:
    (note,) = [
        n for n in under(three(lambda rate, seed: {"test": 0.3} if (rate, seed) == (0.5, 4) else {})) if "One seed" in n
    ]
    assert "standard 0.5, seed 4" in note


def test_runs_that_did_not_finish_are_told(three: Any) -> None:
    def fields(rate: float, seed: int) -> dict[str, Any]:
        if rate == 0.5 and seed < 3:
            return {"status": "diverged", "reason": f"the loss exploded: {10.0**seed:g} is more than 100 times 2.3"}
        return {"status": "failed", "reason": "RuntimeError: boom"} if (rate, seed) == (0.25, 9) else {}

    lines = under(three(fields))
    assert "Failed, left out of every mean: standard 0.25, seed 9 (RuntimeError: boom)." in "\n".join(lines)
    (diverged,) = [n for n in lines if n.lstrip().startswith("Diverged")]
    assert "standard 0.5, seeds 0-2 (for example: the loss exploded: 1" in diverged  # one reason, whatever its numbers
    assert any("In standard 0.5 seeds that diverged" in n and "7 of 10" in n for n in lines)


def test_a_sweep_that_diverged_whole_is_one_sentence_and_no_advice(three: Any) -> None:
    made = three(lambda rate, seed: {"status": "diverged", "reason": f"the loss exploded: {seed}.5e+{seed}"})
    text = report.render(made, "rich", 100)
    assert "every run diverged (30 runs)" in text and "Diagnosis" not in text and "Rule" not in text
    assert len(under(made)) == 1 and "every arm, seeds 0-9 (for example: the loss exploded" in under(made)[0]
    assert "no run completed" not in text and "--tune" not in text


def test_where_only_the_baseline_has_another_learning_rate_it_alone_is_to_be_lowered(
    fake: Any, put: Any, store: Store
) -> None:
    for seed in range(6):
        put(fake(seed, changes={"train.lr": 0.1}, status="diverged", reason="loss nan"))
        put(fake(seed, changes={"dropout": "standard", "dropout.rate": 0.5, "train.lr": 0.1}))
    (same,) = report.build([store.root]).headlines
    assert "in all arms, lower train.lr" in same


def test_seeds_that_need_too_many_are_named_together(three: Any) -> None:
    (needed,) = [n for n in three(lambda rate, seed: {"test": 0.9}).comparisons[0].notes if "Seeds in all" in n] or [""]
    assert needed.count("more than 1,000") <= 1


def test_the_next_step_is_one_and_says_what_it_buys(three: Any) -> None:
    made = three()
    text = " ".join(report.render(made, "rich", 100).split())
    assert text.count("Next: ") == 1 and re.search(r"Next: [^.]*(?:\.\d[^.]*)*\. That (asks|shows|would settle)", text)
    for told in made.comparisons[0].diagnosis or ():
        assert bool(told.buys) == bool(told.steps)


UNLIKE_P = (
    [15, 50, 75, -15, -20, 15, 25, 10, 50, 25],
    [0, 15, 15, 5, 5, 0, 10, 5, 10, 5],
    [15, 20, 50, -5, 15, -50, -10, -30, 15, 60],
    [25, -25, 30, -5, -35, 15, -10, -30, 25, -55],
)
"""Differences of four arms from none, ten seeds, in thousandths. The second's seeds agree best: by itself it is better, but
among all arms its p is larger than that of the first, which by itself may be no different."""


@pytest.mark.parametrize(("arms", "odd"), [((0, 1, 2, 3), True), ((0, 1, 2), True), ((1, 3), False), ((1,), False)])
def test_a_verdict_that_looks_like_a_contradiction_of_p_is_explained(
    arms: tuple[int, ...], odd: bool, fake: Any, put: Any, store: Store
) -> None:
    """`better?` stood beside a larger p, and `cannot tell` beside a smaller one with a larger difference, and no word on it."""
    for seed in range(10):
        put(fake(seed, test=0.75))
        for i in arms:
            on = {"dropout": "standard", "dropout.rate": (i + 1) / 10}
            put(fake(seed, changes=on, test=0.75 + UNLIKE_P[i][seed] / 1000))
    made = report.build([store.root])
    brief, told = made.comparisons[0].brief, made.comparisons[0].verdicts
    notes = [note for note in brief if note.startswith("The verdict on")]
    assert len(notes) == odd
    if odd:
        first, second = told["standard 0.1"], told["standard 0.2"]
        p, q = first.difference.p_adjusted, second.difference.p_adjusted
        assert (first.verdict, second.verdict) == ("cannot tell", "better, unconfirmed")
        assert p < q and first.difference.p > second.difference.p
        says = f"The verdict on standard 0.2 is better? with p = {q:.4f}, and on standard 0.1 cannot tell with p = {p:.4f}: "
        assert notes[0].startswith(says)
        assert notes[0].endswith("(standard 0.2 +0.30 to +1.10, standard 0.1 +0.17 to +4.50).")
        assert f" {notes[0]}" in under(made, 100)
    rule = next(note for note in brief if note.startswith("Better or worse"))
    unsure = any(c.verdict.endswith("unconfirmed") for c in told.values())
    together = "both arms" if len(arms) == 2 else f"all {len(arms)} arms"
    own = f": the interval of that arm by itself says so; the one shown, for {together} at once, does not."
    assert rule.endswith(own if unsure else "A ? means not confirmed.")
