"""The bias from a choice inside a contrast, and the coverage of the set of possible optima, by simulation.

    python -m benchmarks.contrasts [--studies 2000]

Prints the tables of docs/contrasts.md. The first is about `best(...)` minus an arm that is equal to all others, with validation
and test scores of a run correlated by .7: the mean difference, whose true value is 0, and how often it is called better, if the
arm is chosen by all seeds, and by the other seeds. The second is about optima: normal scores, in which the first arm leads.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import numpy as np

from dropbench.report.records.measures import Measure
from dropbench.report.records.scores import Floats, Scores
from dropbench.report.statistics.best import beaten
from dropbench.report.statistics.contrast import Minus
from dropbench.report.statistics.formula import Formula
from dropbench.report.statistics.grammar import Best, parse, scores
from dropbench.report.statistics.judged import judged
from dropbench.store import Measure as Declaration

VAL, TEST = (Measure(part, "merit", Declaration("higher")) for part in ("val", "test"))
SHARED = 0.7
"""The correlation of a run's scores on validation and test data."""
Table = Mapping[str, Mapping[str, Scores]]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    studies = parser.parse_args().studies
    print("| chosen by | seeds | arms | mean, in sd | better |\n| --- | ---: | ---: | ---: | ---: |")
    for n in (6, 10, 20):
        for arms in (3, 10):
            for rule, (mean, better) in chosen(n, arms, studies).items():
                print(f"| {rule} | {n} | {arms} | {mean:+.2f} | {better:.1%} |", flush=True)
    print("\n| seeds | values | lead, in sd | true one left out | values left |\n| ---: | ---: | ---: | ---: | ---: |")
    for n in (8, 20):
        for arms in (4, 8):
            for lead in (0.0, 1.0, 3.0):
                lost, left = possible(n, arms, lead, studies // 4)
                print(f"| {n} | {arms} | {lead:g} | {lost:.1%} | {left:.1f} |", flush=True)


def chosen(n: int, arms: int, studies: int) -> dict[str, tuple[float, float]]:
    """Return, by rule of choice, the mean difference and the share of studies that call it better; all arms are equal."""
    rng = np.random.default_rng([n, arms])
    labels = tuple(f"arm {i}" for i in range(arms))
    node = parse("best('*', by=val_merit).test_merit - none.test_merit")
    (best,) = [s.arm for s in scores(node) if isinstance(s.arm, Best)]
    by_others = Formula(node, {"val_merit": VAL, "test_merit": TEST}, {best: labels})
    means: dict[str, list[float]] = {"all seeds": [], "the other seeds": []}
    better = dict.fromkeys(means, 0)
    for _ in range(studies):
        val, test = _correlated(rng, n, arms + 1)
        table: Table = {
            label: {"val_merit": dict(enumerate(val[:, i])), "test_merit": dict(enumerate(test[:, i]))}
            for i, label in enumerate((*labels, "none"))
        }
        by_all = Minus(labels[int(val[:, :arms].mean(0).argmax())], "none", TEST)
        for rule, asked in zip(means, (by_all, by_others), strict=True):
            (found,) = judged([asked], lambda label, m, of=table: of[label][str(m)], 0.0)
            means[rule].append(found.difference.mean)
            better[rule] += found.confirmed and found.direction == "better"
    return {rule: (float(np.mean(means[rule])), better[rule] / studies) for rule in means}


def possible(n: int, arms: int, lead: float, studies: int) -> tuple[float, float]:
    """Return the share of studies that exclude the first arm, which leads by `lead` sd, and the mean number of arms kept."""
    rng = np.random.default_rng([n, arms, int(10 * lead)])
    labels = [f"arm {i}" for i in range(arms)]
    lost, left = 0, 0
    for _ in range(studies):
        table = rng.normal(size=(n, arms)) + lead * (np.arange(arms) == 0)
        by_label = {label: dict(enumerate(table[:, i])) for i, label in enumerate(labels)}
        out = beaten(labels, TEST, lambda label, _, of=by_label: of[label], lambda _: ())
        lost += labels[0] in out
        left += arms - len(out)
    return lost / studies, left / studies


def _correlated(rng: np.random.Generator, n: int, arms: int) -> tuple[Floats, Floats]:
    luck, val, test = rng.normal(size=(3, n, arms))
    own = (1 - SHARED) ** 0.5
    return SHARED**0.5 * luck + own * val, SHARED**0.5 * luck + own * test


if __name__ == "__main__":
    main()
