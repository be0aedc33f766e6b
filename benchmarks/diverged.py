"""How often there is a verdict if seeds diverge: by chance alone, and if an arm breaks down.

    python -m benchmarks.diverged [--studies 4000]

Prints the tables of docs/statistics.md ("Seeds that diverged"). In the first there is no effect: both arms diverge with the
same probability. In the second an arm diverges and its baseline never does; otherwise their scores have the same distribution.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Minus
from dropbench.report.statistics.judged import judged
from dropbench.store import Measure as Declaration

LOSS = Measure("test", "loss", Declaration("lower"))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4000)
    studies = parser.parse_args().studies
    print("| n | chance to diverge | scores | better | worse |\n| ---: | ---: | --- | ---: | ---: |")
    for n in (6, 10, 30):
        for chance in (0.1, 0.3):
            for scores in ("normal", "exponential"):
                print(f"| {n} | {chance:.0%} | {scores} | {told(n, (chance, chance), scores, studies)} |", flush=True)
    print("\n| n | the arm's chance to diverge | better | worse |\n| ---: | ---: | ---: | ---: |")
    for n in (8, 10, 20):
        for chance in (0.3, 0.5, 0.7, 0.9):
            print(f"| {n} | {chance:.0%} | {told(n, (chance, 0.0), 'normal', studies // 4)} |", flush=True)


def told(n: int, chances: tuple[float, float], scores: str, studies: int) -> str:
    """Return the shares of studies of n seeds with the verdicts better and worse; chances: to diverge, of arm and baseline."""
    random = np.random.default_rng([n, *(round(100 * c) for c in chances), len(scores)])
    verdicts: Counter[str] = Counter()
    for _ in range(studies):
        values = random.exponential(size=(2, n)) if scores == "exponential" else random.normal(size=(2, n))
        bad = [set(np.flatnonzero(random.random(n) < chance).tolist()) for chance in chances]
        verdicts[_verdict(n, values, bad)] += 1
    return " | ".join(f"{verdicts[word] / studies:.1%}" for word in ("better", "worse"))


def _verdict(n: int, values: np.ndarray, bad: list[set[int]]) -> str:
    kept = {
        name: {s: float(v[s]) for s in range(n) if s not in b} for name, v, b in zip("ab", values, bad, strict=True)
    }
    lost = dict(zip("ab", bad, strict=True))
    asked = [Minus("a", "b", LOSS)]
    return str(judged(asked, lambda label, _: kept[label], 0.0, lambda label: lost[label])[0].verdict)


if __name__ == "__main__":
    main()
