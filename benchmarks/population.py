"""Coverage of 95 % intervals for the effect on new examples like those tested: by seeds alone, and by seeds and examples.

    python -m benchmarks.population [--studies 1000]

Prints two tables of docs/statistics.md ("Which population"): intervals by several estimators, and verdicts without an effect.
Each study draws a pool of examples from an infinite population; seeds either redraw their test split from this pool or all use
the same one. An arm is right on an example if the sum of four random numbers is below a threshold: the difficulty of the
example for all, its difficulty for this arm, the quality of this seed's network, and noise. The true effect on new examples is
therefore known. The intervals of the first table are Student's over seeds; the verdicts are those of a report with a region of
zero.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Minus
from dropbench.report.statistics.distributions import t_quantile
from dropbench.report.statistics.judged import judged
from dropbench.report.statistics.two_way import Differences, error
from dropbench.store import Measure as Declaration

Floats = NDArray[np.float64]
ACCURACY = Measure("test", "accuracy", Declaration("higher"))


@dataclass(frozen=True)
class Design:
    """pool: the number of examples. tested: how many of them each seed tests. fixed: whether all seeds test the same ones."""

    pool: int
    tested: int
    fixed: bool

    def __str__(self) -> str:
        return f"{self.tested} of {self.pool}, {'one split' if self.fixed else 'redrawn'}"

    def splits(self, seeds: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Return the rows that each seed tests, [seeds, tested]."""
        if self.fixed:
            return np.tile(np.arange(self.tested), (seeds, 1))
        drawn = random.permuted(np.tile(np.arange(self.pool), (seeds, 1)), axis=1)
        return np.sort(drawn[:, : self.tested], axis=1)


DESIGNS = (Design(1797, 359, False), Design(1797, 359, True), Design(178, 36, False), Design(178, 36, True))
"""The sizes of digits and wine, with splits redrawn by each seed, and with one split (`data.split_seed=0`)."""


@dataclass(frozen=True)
class World:
    """A simulated population: shares of the total variance, which is 1, of an arm's latent score on an example under a seed.

    Parameters
    ----------
    example : float
        The share of the example's difficulty for all arms and seeds.
    own : float
        The share of its difficulty for this arm.
    network : float
        The share of the quality of this arm's network under this seed. The remaining share is noise.
    right : float
        The baseline's accuracy on the population.
    effect : float
        The difference between the arms' accuracy and the baseline's.
    """

    example: float
    own: float
    network: float
    right: float
    effect: float = 0.0


ALIKE = World(example=0.975, own=0.0025, network=0.0005, right=0.98)
"""An arm similar to its baseline, like dropout .2 on digits: the two differ in being right on 0.8 % of examples."""
EVEN = World(example=0.93, own=0.03, network=0.001, right=0.975)
"""An arm that is right on other examples than its baseline, but on equally many."""
UNLIKE = World(example=0.93, own=0.03, network=0.001, right=0.975, effect=-0.02)
"""An arm that is worse, like dropout .5 after 20 epochs: the two differ on 2.6 % of examples."""


def study(world: World, design: Design, seeds: int, arms: int, random: np.random.Generator) -> list[list[Differences]]:
    """Simulate one study and return arm minus baseline under each seed, for each arm."""
    rows = design.splits(seeds, random)
    hard = math.sqrt(world.example) * random.normal(size=design.pool)
    noise = math.sqrt(1 - world.example - world.own - world.network)

    def right(share: float) -> Floats:
        own = math.sqrt(world.own) * random.normal(size=design.pool)
        network = math.sqrt(world.network) * random.normal(size=(seeds, 1))
        total = (hard + own)[rows] + network + noise * random.normal(size=rows.shape)
        return (total < NormalDist().inv_cdf(share)).astype(float)

    baseline = right(world.right)
    values = [right(world.right + world.effect) - baseline for _ in range(arms)]
    return [[Differences(*both) for both in zip(rows, each, strict=True)] for each in values]


def of_seeds(by_seed: list[Differences], random: np.random.Generator) -> float:
    """Return the standard error over seeds alone."""
    return error(by_seed).seeds


def moments(by_seed: list[Differences], random: np.random.Generator) -> float:
    """Return the moment estimate of the standard error, without a lower bound on the variance over examples."""
    return error(by_seed).both


def with_one(by_seed: list[Differences], random: np.random.Generator) -> float:
    """Return the moment estimate with the lower bound of one example, which is what a report uses."""
    return error(by_seed, span=1.0).both


def cluster_robust(by_seed: list[Differences], random: np.random.Generator) -> float:
    """Return the root of V_seeds + V_examples - V_both, each with its n / (n - 1), or of V_seeds if that is larger."""
    values, there = _dense(by_seed)
    residual = np.where(there, values - values[there].mean(), 0.0) / there.sum()

    def clustered(sums: Floats) -> float:
        return float(sums @ sums) * len(sums) / (len(sums) - 1)

    tested = there.any(0)
    parts = clustered(residual.sum(1)), clustered(residual.sum(0)[tested]), clustered(residual[there])
    return math.sqrt(max(parts[0], parts[0] + parts[1] - parts[2]))


def pigeonhole(by_seed: list[Differences], random: np.random.Generator, resamples: int = 100) -> float:
    """Return the standard error by Owen's bootstrap, which resamples seeds and examples independently."""
    values, there = _dense(by_seed)
    tested = there.any(0)
    values, there = values[:, tested], there[:, tested]
    n, pool = values.shape
    seeds = random.multinomial(n, [1 / n] * n, size=resamples)
    drawn = random.integers(pool, size=(resamples, pool)) + pool * np.arange(resamples)[:, None]
    rows = np.bincount(drawn.ravel(), minlength=resamples * pool).reshape(resamples, pool)
    means = ((seeds @ values) * rows).sum(1) / ((seeds @ there) * rows).sum(1)
    return float(means.std(ddof=1))


def _dense(by_seed: list[Differences]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the values, and which of them exist, as arrays [seeds, rows]."""
    shape = len(by_seed), max(int(d.rows.max()) for d in by_seed) + 1
    values, there = np.zeros(shape), np.zeros(shape, dtype=bool)
    for s, d in enumerate(by_seed):
        values[s, d.rows], there[s, d.rows] = d.values, True
    return values, there


Estimator = Callable[[list[Differences], np.random.Generator], float]
ESTIMATORS: dict[str, Estimator] = {
    "seeds alone": of_seeds,
    "moments": moments,
    "with one": with_one,
    "cluster-robust": cluster_robust,
    "pigeonhole": pigeonhole,
}


def coverage(world: World, design: Design, seeds: int, studies: int) -> dict[str, tuple[float, float]]:
    """Return each estimator's coverage, and the mean width of its interval relative to that by seeds alone."""
    random = np.random.default_rng([design.pool, design.fixed, seeds])
    t = t_quantile(0.975, seeds - 1)
    held: dict[str, list[bool]] = {name: [] for name in ESTIMATORS}
    wide: dict[str, list[float]] = {name: [] for name in ESTIMATORS}
    for _ in range(studies):
        (by_seed,) = study(world, design, seeds, 1, random)
        mean = float(np.mean([d.values.mean() for d in by_seed]))
        for name, estimator in ESTIMATORS.items():
            half = t * estimator(by_seed, random)
            held[name].append(abs(mean - world.effect) <= half)
            wide[name].append(half)
    narrow = np.mean(wide["seeds alone"])
    return {name: (float(np.mean(held[name])), float(np.mean(wide[name]) / narrow)) for name in ESTIMATORS}


def coverages(studies: int) -> Iterator[str]:
    """Yield the lines of the table of estimators."""
    yield f"| arm | test examples | seeds | {' | '.join(ESTIMATORS)} |"
    yield "| --- | --- | ---: |" + " ---: |" * len(ESTIMATORS)
    for name, world in (("alike", ALIKE), ("worse", UNLIKE)):
        for design in DESIGNS:
            for seeds in (6, 10, 20, 40):
                cells = coverage(world, design, seeds, studies).values()
                told = " | ".join(f"{held:.3f} (×{wide:.2f})" for held, wide in cells)
                yield f"| {name} | {design} | {seeds} | {told} |"


def told(design: Design, seeds: int, arms: int, studies: int) -> tuple[float, float]:
    """Return how often any arm is confirmed better or worse without an effect: by seeds alone, and as in a report."""
    random = np.random.default_rng([design.pool, design.fixed, seeds, arms])
    asked = [Minus(f"arm {k}", "none", ACCURACY) for k in range(arms)]
    counts = np.zeros(2)
    for _ in range(studies):
        by_arm = study(EVEN, design, seeds, arms, random)
        scores = {e.arm: dict(enumerate(d.values.mean() for d in of)) for e, of in zip(asked, by_arm, strict=True)}
        scores["none"] = dict.fromkeys(range(seeds), 0.0)
        factors = {e.arm: error(of, span=1.0).factor for e, of in zip(asked, by_arm, strict=True)}
        finite = {arm: f if math.isfinite(f) else 1.0 for arm, f in factors.items()}
        for i, widened in enumerate((lambda e: 1.0, lambda e, finite=finite: finite[e.arm])):
            found = judged(asked, lambda label, _, scores=scores: scores[label], 0.0, widened=widened)
            counts[i] += any(c.confirmed and c.direction in ("better", "worse") for c in found)
    narrow, wide = counts / studies
    return float(narrow), float(wide)


def verdicts(studies: int) -> Iterator[str]:
    """Yield the lines of the table of verdicts."""
    yield "| test examples | seeds | 1 arm: seeds alone | seeds and examples | 8 arms: seeds alone | seeds and examples |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for design in DESIGNS:
        for seeds in (6, 10, 20, 40):
            cells = [share for arms in (1, 8) for share in told(design, seeds, arms, studies)]
            yield f"| {design} | {seeds} | {' | '.join(f'{share:.1%}' for share in cells)} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    studies = parser.parse_args().studies
    for line in chain(coverages(studies), [""], verdicts(studies)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
