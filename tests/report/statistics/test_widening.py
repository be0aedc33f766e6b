"""What examples add to the error of any expression, from what runs said of each: by hand, and where nothing can be known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from dropbench.report.records.measures import Measure
from dropbench.report.records.said import Said, Untold
from dropbench.report.records.scores import Diverged, Floats, Scores, ScoresOf
from dropbench.report.statistics.contrast import Expression, Minus
from dropbench.report.statistics.two_way import Differences, error
from dropbench.report.statistics.widening import Widening, widening
from dropbench.store import Measure as Declaration
from dropbench.store.predictions import Predictions, dumped
from dropbench.store.record import PREDICTIONS

ACCURACY = Measure("test", "accuracy", Declaration("higher"))
LOSS = Measure("test", "loss", Declaration("lower"))


@dataclass(frozen=True)
class Combined:
    """A sum of scores, each times a number; or its logarithm."""

    terms: Mapping[str, float]
    measure: Measure = ACCURACY
    log: bool = False

    def values(self, scores: ScoresOf) -> dict[int, float]:
        by = {label: scores(label, self.measure) for label in self.terms}
        seeds = sorted(set.intersection(*(set(b) for b in by.values())))
        sums = {s: sum(c * by[label][s] for label, c in self.terms.items()) for s in seeds}
        return {s: math.log(v) if self.log else v for s, v in sums.items()}

    def samples(self, scores: ScoresOf) -> tuple[Floats, Floats]:
        return np.array([]), np.array([])

    def lost(self, scores: ScoresOf, diverged: Diverged) -> tuple[dict[int, float], tuple[int, int]]:
        return {}, (0, 0)


class World:
    """Runs of arms a, b and c under six seeds, in a folder."""

    def __init__(self, root: Path) -> None:
        random = np.random.default_rng(0)
        self.root, self.said = root, {}
        self.hard = random.normal(size=30)
        for seed in range(6):
            rows = np.sort(random.choice(30, 12, replace=False))
            for label, skill in (("a", 1.0), ("b", 0.6), ("c", 0.2)):
                right = self.hard[rows] + random.normal(size=12) < skill
                self.put(label, seed, Predictions(30, rows, right=right))

    def put(self, label: str, seed: int, said: Predictions) -> None:
        self.said[label, seed] = said
        folder = self.root / f"{label}{seed}"
        folder.mkdir(exist_ok=True)
        (folder / PREDICTIONS).write_bytes(dumped(said))

    def scores(self, label: str, measure: Measure) -> Scores:
        kept = {s: p.right if measure == ACCURACY else p.loss for (name, s), p in self.said.items() if name == label}
        return {s: float(v.astype(float).mean()) for s, v in kept.items() if v is not None}

    def runs(self, label: str) -> dict[int, str]:
        return {s: f"{name}{s}" for name, s in self.said if name == label}

    def widening(self, expression: Expression) -> Widening:
        said = Said({f"{label}{seed}": self.root / f"{label}{seed}" for label, seed in self.said})
        return widening(expression, self.scores, self.runs, said)

    def by_hand(self, terms: Mapping[str, float]) -> list[Differences]:
        found = []
        for seed in range(6):
            parts: Sequence[tuple[float, Predictions]] = [(c, self.said[label, seed]) for label, c in terms.items()]
            values = sum(c * np.asarray(p.right, dtype=float) for c, p in parts)
            found.append(Differences(parts[0][1].rows, np.asarray(values)))
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_of_arm_minus_baseline_it_is_the_error_of_the_differences(world: World) -> None:
    found = world.widening(Minus("a", "b", ACCURACY))
    assert found.error == pytest.approx(error(world.by_hand({"a": 1, "b": -1}), span=1), rel=1e-12)
    assert found.readings == 72 and 12 < found.examples <= 30 and not found.one_split


def test_of_any_sum_of_scores_too(world: World) -> None:
    terms = {"a": 1.0, "b": -2.0, "c": 1.0}
    assert world.widening(Combined(terms)).error == pytest.approx(error(world.by_hand(terms), span=2), rel=1e-6)


def test_of_a_function_of_scores_by_its_slope(world: World) -> None:
    """The logarithm of a's score: each example moves it by its own over the score."""
    shares = []
    for d in world.by_hand({"a": 1}):
        mean = d.values.mean()
        shares.append(Differences(d.rows, math.log(mean) + (d.values - mean) / mean))
    expected = error(shares, span=max(1 / d.values.mean() for d in world.by_hand({"a": 1})))
    assert world.widening(Combined({"a": 1.0}, log=True)).error == pytest.approx(expected, rel=1e-6)


def test_one_test_split_is_known_as_such(world: World) -> None:
    for label in "ab":
        for seed in range(6):
            world.put(label, seed, Predictions(30, np.arange(12), right=world.said[label, seed].right))
    found = world.widening(Minus("a", "b", ACCURACY))
    assert (found.one_split, found.examples, found.readings) == (True, 12, 72)


def test_losses_of_what_is_no_classifier(world: World) -> None:
    random, rows = np.random.default_rng(1), np.arange(10)
    for label in "ab":
        for seed in range(6):
            world.put(label, seed, Predictions(10, rows, loss=random.exponential(size=10).astype(np.float16)))
    kept = [[np.asarray(world.said[label, s].loss, dtype=float) for label in "ab"] for s in range(6)]
    expected = error([Differences(rows, a - b) for a, b in kept])
    assert world.widening(Minus("a", "b", LOSS)).error == pytest.approx(expected, rel=1e-6)


def test_other_examples_under_one_seed(world: World) -> None:
    world.put("b", 3, Predictions(30, np.arange(12), right=np.arange(12) > 5))
    with pytest.raises(Untold, match="arms were tested on different examples under the same seed"):
        world.widening(Minus("a", "b", ACCURACY))


def test_other_data_under_one_seed(world: World) -> None:
    for label in "ab":
        world.put(label, 3, Predictions(40, world.said[label, 3].rows, right=world.said[label, 3].right))
    with pytest.raises(Untold, match="data of several sizes"):
        world.widening(Minus("a", "b", ACCURACY))


def test_one_run_without_what_it_said_is_enough(world: World) -> None:
    (world.root / "a3" / PREDICTIONS).unlink()
    with pytest.raises(Untold, match="did not keep their prediction"):
        world.widening(Minus("a", "b", ACCURACY))
    world.widening(Minus("b", "c", ACCURACY))


def test_no_seed_in_common(world: World) -> None:
    world.said = {(label, s + 10 * (label == "b")): p for (label, s), p in world.said.items()}
    with pytest.raises(Untold, match="share fewer than two seeds"):
        world.widening(Minus("a", "b", ACCURACY))
