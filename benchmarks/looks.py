"""The cost and the savings of sequential looks: error rate, power and seeds of `sweep --until-settled`.

    python -m benchmarks.looks [--studies 20000] [--judged 1000]

Prints the tables of docs/continuing.md. The first compares spending functions for one arm and its baseline by Student's
interval, which is fast. The second uses the report's own verdict, with one arm and with four. Differences are normal with an sd
of 1, with at most 60 seeds. A study ends once the interval of each arm, at the level of that look, lies beyond or within the
region.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from scipy import stats

from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Minus
from dropbench.report.statistics.judged import judged
from dropbench.report.statistics.looks import ALPHA, RHO, levels, looks, of_spending
from dropbench.store import Measure as Declaration

MOST = 60
EVERY = (6, 10, 16, 26, 42, 60)
EFFECTS = (0.0, 0.25, 0.4, 0.65, 0.8, 1.25, 2.0)
SCORE = Measure("test", "score", Declaration("higher"))


def obrien_fleming(share: float) -> float:
    """Return Lan & DeMets' two-sided spending function that approximates O'Brien & Fleming's bounds."""
    return 4 - 4 * NormalDist().cdf(-NormalDist().inv_cdf(ALPHA / 4) / share**0.5)


def pocock(share: float) -> float:
    """Return Lan & DeMets' spending function that approximates Pocock's bounds."""
    return ALPHA * float(np.log(1 + (np.e - 1) * share))


def kim_demets(rho: float) -> Callable[[float], float]:
    """Return a spending function of Kim & DeMets' family, from which the report's is."""
    return lambda share: ALPHA * share**rho


DESIGNS: dict[str, tuple[tuple[int, ...], tuple[float, ...]]] = {
    "once, 60 seeds": ((MOST,), (ALPHA,)),
    "each look at .05": (EVERY, (ALPHA,) * len(EVERY)),
    "O'Brien & Fleming": (EVERY, of_spending(EVERY, obrien_fleming)),
    "share³": (EVERY, of_spending(EVERY, kim_demets(3))),
    "share²": (EVERY, of_spending(EVERY, kim_demets(2))),
    f"share^{RHO}, the report's": (looks(MOST), levels(looks(MOST))),
    "share": (EVERY, of_spending(EVERY, kim_demets(1))),
    "Pocock": (EVERY, of_spending(EVERY, pocock)),
}


def by_student(design: str, effect: float, region: float, studies: int) -> tuple[float, float]:
    """Return how often one arm is found better or worse, and the mean number of seeds."""
    values = np.random.default_rng([studies, round(100 * effect)]).normal(effect, 1, (studies, MOST))
    going, told, used = np.ones(studies, bool), np.zeros(studies, bool), np.full(studies, float(MOST))
    for n, level in zip(*DESIGNS[design], strict=True):
        if level < 2 / 2**n:  # the report's test cannot reach a p this small
            continue
        mean, error = values[:, :n].mean(1), values[:, :n].std(1, ddof=1) / n**0.5
        half = stats.t.ppf(1 - level / 2, n - 1) * error
        beyond = (mean - half > region) | (mean + half < -region)
        ends = going & (beyond | ((region > 0) & (abs(mean) + half <= region)))
        told, used = told | (going & beyond), np.where(ends, n, used)
        going &= ~ends
    return float(told.mean()), float(used.mean())


def by_report(design: str, effects: tuple[float, ...], region: float, studies: int) -> tuple[float, float, float]:
    """Return how often an arm is confirmed better or worse, how often any arm is, and the mean number of seeds."""
    random = np.random.default_rng([studies, *(round(100 * e) for e in effects)])
    arms = [f"arm {i}" for i in range(len(effects))]
    asked = [Minus(arm, "none", SCORE) for arm in arms]
    one, several, used = 0, 0, 0
    for _ in range(studies):
        scores = random.normal(0, 0.5**0.5, (len(arms) + 1, MOST))
        scores[:-1] += np.array(effects)[:, None]
        rows = dict(zip([*arms, "none"], scores, strict=True))
        for n, level in zip(*DESIGNS[design], strict=True):
            found = judged(
                asked, lambda label, _, rows=rows, n=n: dict(enumerate(rows[label][:n].tolist())), region, alpha=level
            )
            if all(c.confirmed for c in found):
                break
        directions = [c.confirmed and c.direction in ("better", "worse") for c in found]
        one, several, used = one + sum(directions), several + any(directions), used + n
    return one / studies / len(arms), several / studies, used / studies


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--judged", type=int, default=1000, help="without an effect; a fifth of it with one")
    asked = parser.parse_args()
    for region in (0.0, 0.25):
        print(f"\nregion ±{region}\n\n| error spent by | " + " | ".join(f"{e:g} sd" for e in EFFECTS) + " |")
        print("| --- |" + " ---: |" * len(EFFECTS))
        for design in DESIGNS:
            cells = [by_student(design, effect, region, asked.studies) for effect in EFFECTS]
            print(f"| {design} | " + " | ".join(f"{100 * told:.1f} %, {used:.0f}" for told, used in cells) + " |")
    print("\n| arms | effect | looks | an arm is told | any is | seeds |\n| ---: | ---: | --- | ---: | ---: | ---: |")
    for arms in (1, 4):
        for effect in (0.0, 0.4, 0.8, 1.25) if arms == 1 else (0.0, 0.8, 1.25):
            for design in ("once, 60 seeds", "each look at .05", f"share^{RHO}, the report's"):
                studies = asked.judged // 5 if effect else asked.judged
                one, several, used = by_report(design, (effect,) * arms, 0.0, studies)
                print(f"| {arms} | {effect:g} sd | {design} | {one:.1%} | {several:.1%} | {used:.0f} |", flush=True)


if __name__ == "__main__":
    main()
