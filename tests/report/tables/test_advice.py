"""Three sentences of advice, from comparisons of which the right advice is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from dropbench.report import build
from dropbench.report.tables.advice import Advice, advice
from dropbench.report.tables.enough import Budget
from dropbench.store import Record, Store

Advised = Callable[[dict[float, Sequence[float]]], Advice]


@pytest.fixture
def advised(fake: Callable[..., Record], put: Callable[..., None], store: Store) -> Advised:
    def of(arms: dict[float, Sequence[float]]) -> Advice:
        """Of arms with these test accuracies by seed, by the rate of `standard`; 0 is none."""
        for rate, scores in arms.items():
            changes = {"dropout": "standard", "dropout.rate": rate} if rate else {}
            put(*(fake(seed, changes=changes, test=score) for seed, score in enumerate(scores)))
        budget = Budget(planned=40, left=True, most=400)
        found = advice(build([store.root], [], None).comparisons[0], "model=mlp on mnist", budget)
        assert found is not None
        return found

    return of


def around(mean: float, seeds: int = 12, spread: float = 0.002) -> list[float]:
    return (mean + spread * np.random.default_rng(int(1e4 * mean)).standard_normal(seeds)).tolist()


def test_what_is_confirmed_to_be_better_is_advised(advised: Advised) -> None:
    found = advised({0: around(0.90), 0.1: around(0.903), 0.5: around(0.93)})
    assert (found.decision, found.arm) == ("use", "standard 0.5")
    assert found.sentences[0].startswith("Use standard 0.5: test accuracy 93.")
    assert "confirmed" in found.sentences[1] and "model=mlp on mnist" in found.sentences[2]


def test_a_difference_that_is_bad_if_above_zero_says_so(
    fake: Callable[..., Record], put: Callable[..., None], store: Store
) -> None:
    """An error that grows: `has +0.050` alone would sound like a gain."""
    for rate, mean in ((0.0, 0.10), (0.5, 0.15)):
        changes = {"dropout": "standard", "dropout.rate": rate} if rate else {}
        put(*(fake(s, changes=changes, test=1 - score) for s, score in enumerate(around(mean))))
    found = advice(build([store.root], metric="loss").comparisons[0], "it", Budget(planned=40, left=True, most=400))
    assert found is not None and found.decision == "leave" and "(lower is better)" in found.sentences[0]
    assert found.sentences[1].endswith("under 12 paired seeds, where plus is worse.")


@pytest.mark.parametrize(("rate", "answered"), [(0.5, 1.0), (0.5, 0.9), (0.0, 1.0)])
def test_an_arm_that_gives_one_class_is_never_advised(
    fake: Callable[..., Record], put: Callable[..., None], store: Store, rate: float, answered: float
) -> None:
    """Nor is anything said by accuracy where the baseline does so."""
    for of, mean in ((0.0, 0.93), (0.5, 0.94 if rate else 0.93)):
        changes = {"dropout": "standard", "dropout.rate": of} if of else {}
        told = {"majority": 0.94, "answered": answered if of == rate else 0.8}
        put(*(fake(s, changes=changes, test=score, test_classes=told) for s, score in enumerate(around(mean))))
    found = advice(build([store.root]).comparisons[0], "it", Budget(planned=40, left=False, most=400))
    assert found is not None
    if answered < 1:
        assert (found.decision, found.arm) == ("use", "standard 0.5")
        return
    assert (found.decision, found.arm) == ("unknown", "none")
    said = "standard 0.5 has +" if rate else "none gives all test examples the same class in 12 of 12 seeds"
    assert found.sentences[0].startswith(f"Cannot tell by accuracy: {said}")
    assert found.sentences[1].startswith("What it would take: ") and "balanced_accuracy" in found.next


def test_nothing_that_could_matter_is_no_bother(advised: Advised) -> None:
    found = advised({0: around(0.93), 0.1: around(0.91), 0.5: around(0.88)})
    assert (found.decision, found.arm) == ("leave", "none")
    assert found.sentences[0].startswith("Don't bother: ")


@pytest.mark.parametrize("seeds", [2, 8])
def test_what_is_open_is_said_with_what_it_would_take(advised: Advised, seeds: int) -> None:
    arms = {0: around(0.90, seeds, 0.02), 0.5: around(0.905, seeds, 0.021)}
    found = advised(arms)
    assert (found.decision, found.arm) == ("unknown", "none")
    assert found.sentences[0].startswith("Cannot tell yet: ")
    assert "seeds" in found.sentences[1] and "inf" not in found.sentences[1] and "nan" not in found.sentences[1]


def test_how_large_a_gain_is_ruled_out_is_said_of_all_arms_together(advised: Advised, store: Store) -> None:
    found = advised({0: around(0.90, 8, 0.02), 0.2: around(0.902, 8, 0.01), 0.5: around(0.905, 8, 0.021)})
    assert found.decision == "unknown"
    verdicts = build([store.root]).comparisons[0].verdicts
    largest = max(v.difference.high for v in verdicts.values())
    says = f"Ruled out already: that any of the 2 arms is better by more than {100 * largest:.2f} points."
    assert found.sentences[0].endswith(says) and len({v.difference.high for v in verdicts.values()}) == 2


def test_with_few_seeds_nothing_is_ruled_out(advised: Advised) -> None:
    found = advised({0: around(0.90, 5, 0.02), 0.5: around(0.905, 5, 0.021)})
    assert found.decision == "unknown" and "Ruled out" not in found.sentences[0]


def test_of_an_error_the_other_end_of_the_interval_tells_what_is_ruled_out(
    fake: Callable[..., Record], put: Callable[..., None], store: Store
) -> None:
    for rate, mean in ((0.0, 0.10), (0.5, 0.105)):
        changes = {"dropout": "standard", "dropout.rate": rate} if rate else {}
        put(*(fake(s, changes=changes, test=1 - score) for s, score in enumerate(around(mean, 8, 0.02))))
    c = build([store.root], metric="loss").comparisons[0]
    found = advice(c, "it", Budget(planned=40, left=True, most=400))
    assert found is not None and found.decision == "unknown"
    low = c.verdicts["standard 0.5"].difference.low
    assert found.sentences[0].endswith(f"Ruled out already: that it is better by more than {-low:.3f}.")


def test_the_measure_is_named_and_which_way_is_better(advised: Advised) -> None:
    found = advised({0: around(0.90, 8, 0.02), 0.5: around(0.905, 8, 0.021)})
    assert "in test accuracy the best that was tried, standard 0.5, has " in found.sentences[0]


def test_the_levels_of_an_arm_to_use_are_of_the_seeds_that_both_have(advised: Advised) -> None:
    """A seed of the baseline alone, which is a lucky one, would make the arm look like a loss."""
    found = advised({0: [*around(0.90), 1.0, 1.0, 1.0], 0.5: around(0.93)})
    assert found.decision == "use" and found.sentences[0].endswith("instead of 90.0 %.")


def test_what_is_open_has_a_next_step_and_what_is_settled_has_none(advised: Advised) -> None:
    assert advised({0: around(0.90), 0.5: around(0.93)}).next == ""


def test_an_open_question_has_a_next_step(advised: Advised) -> None:
    assert advised({0: around(0.90, 8, 0.02), 0.5: around(0.905, 8, 0.021)}).next


@pytest.mark.parametrize(("accuracy", "worth"), [(0.69, False), (0.74, True)])
def test_an_answer_between_arms_that_learned_next_to_nothing_is_said_to_be_worth_little(
    fake: Callable[..., Record], put: Callable[..., None], store: Store, accuracy: float, worth: bool
) -> None:
    """Of 36 errors in 100 the constant answer makes, 31 are left at 69 %, and 26 at 74 %."""
    for of in (0.0, 0.5):
        changes = {"dropout": "standard", "dropout.rate": of} if of else {}
        told = {"majority": 0.64, "answered": 0.7}
        scores = around(accuracy if of else 0.67)
        put(*(fake(s, changes=changes, test=score, test_classes=told) for s, score in enumerate(scores)))
    found = advice(build([store.root]).comparisons[0], "it", Budget(planned=40, left=False, most=400))
    assert found is not None and found.decision == "use"
    said = "No arm is much better than always answering the most frequent class: that is right on 64.0 % of the test"
    assert (said in found.sentences[2]) is not worth
    assert ("standard 0.5, the best, on 69." in found.sentences[2]) is not worth


@pytest.mark.parametrize(("written", "others"), [(0.1, 0.92), (0.5, 0.92), (0.1, 0.90), (0.5, 0.86)])
def test_how_the_network_does_as_it_was_written_is_said(
    fake: Callable[..., Record], put: Callable[..., None], store: Store, written: float, others: float
) -> None:
    """That was the question of a user whose network has dropout, whichever arm is advised."""
    for rate, mean in ((0.0, 0.9), (0.1, 0.901), (0.5, others)):
        changes = {"dropout": "standard", "dropout.rate": rate} if rate else {}
        put(*(fake(s, changes=changes, test=score) for s, score in enumerate(around(mean))))
    c = build([store.root]).comparisons[0]
    own = next(arm.arm_id for arm in c.arms if arm.label == f"standard {written}")
    found = advice(c, "it", Budget(planned=40, left=False, most=400), {own})
    assert found is not None
    told = f"Your network as written (standard {written}) has {c.verdicts[f'standard {written}']} against no dropout under 12 "
    is_the_one = f"standard {written}" in " ".join(found.sentences[:2])
    assert found.sentences[2].startswith(
        f"Your network as written is the arm standard {written}." if is_the_one else told
    )
    none_written = advice(c, "it", Budget(planned=40, left=False, most=400))
    assert none_written is not None and "as written" not in none_written.sentences[2]
