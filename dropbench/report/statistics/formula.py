"""A contrast parsed from text, with labels as its arms: its unit, its direction, and its value under each seed."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Literal

import numpy as np

from dropbench.errors import UsageError
from dropbench.report.records.measures import Measure
from dropbench.report.records.scores import Diverged, Floats, Scores, ScoresOf
from dropbench.report.statistics.grammar import Arm, Best, Negative, Node, Number, Operation, Score, scores, written
from dropbench.store import Measure as Declaration
from dropbench.store.derived import OF_MODES

DIRECTIONS: Mapping[int, Literal["higher", "lower", "neither"]] = {1: "higher", -1: "lower", 0: "neither"}
Unit = Mapping[str, int]
"""The power of each unit, by name; units that cancel out are left out."""


@dataclass(frozen=True)
class Formula:
    """An Expression (see contrast.py) that can be written in the grammar of contrasts (grammar.py).

    Parameters
    ----------
    node : Node
        The parsed contrast; its arms are labels.
    measures : Mapping
        The measures, by their names in the contrast.
    candidates : Mapping
        The labels that each `best` chooses from, in the table's order.

    Raises
    ------
    UsageError
        If the units do not fit, the contrast compares nothing with anything, or the measure by which `best` chooses has no
        known direction or is not measured on validation data.
    """

    node: Node
    measures: Mapping[str, Measure] = field(compare=False)
    candidates: Mapping[Best, Sequence[str]] = field(compare=False)

    def __post_init__(self) -> None:
        for best in self.candidates:
            rule = self.measures[best.by]
            if rule.part != "val" or not rule.direction:
                why = "does not say which way is better" if rule.part == "val" else "is not measured on validation data"
                raise UsageError(f"'by={best.by}' {why}, so nothing can be chosen by it; write by=val_loss")
        unit = self._unit(self.node)
        if sign := self._sign(self.node):
            against = f"none.{self.first.measure}" if unit else "1"
            raise UsageError(
                f"'{self}' compares nothing, since it is never {'below' if sign > 0 else 'above'} 0; "
                f"write {self} - {against}"
            )

    def __str__(self) -> str:
        return written(self.node)

    @property
    def first(self) -> Score:
        """The score that is named first; better and worse refer to its arm."""
        return next(scores(self.node))

    @cached_property
    def in_unit_of(self) -> Measure | None:
        """A measure with the same unit as the values; None for ratios and products."""
        return self.measures[self.first.measure] if self._unit(self.node) == self._unit(self.first) else None

    @property
    def labels(self) -> list[str]:
        """The labels of all arms whose scores it may use."""
        arms = dict.fromkeys(s.arm for s in scores(self.node))
        return [*chain(*([arm.name] if isinstance(arm, Arm) else self.candidates[arm] for arm in arms))]

    @property
    def unit(self) -> str:
        """The unit's name: the measure's own name if it declares no unit; empty if the values have no measure's unit."""
        known = self.in_unit_of
        return "" if known is None else known.declared.unit or known.name

    @cached_property
    def measure(self) -> Measure:
        """See Expression. Better is the direction in which better scores of the first arm move the value; 0 if they do both."""
        direction = self._pulls(self.node)[self.first.arm]
        known = self.in_unit_of
        if known is None:
            return Measure("", "ratio", Declaration(DIRECTIONS[direction]))
        if known.direction == direction and len({s.measure for s in scores(self.node)}) == 1:
            return known
        return Measure("", known.metric, replace(known.declared, direction=DIRECTIONS[direction]))

    def values(self, scores_of: ScoresOf) -> dict[int, float]:
        """See Expression; NaN under a seed where it divides by zero."""
        found = {score: self._scored(score, scores_of) for score in scores(self.node)}
        seeds = set.intersection(*(set(by_seed) for by_seed in found.values()))
        return {s: self._value(self.node, {score: of[s] for score, of in found.items()}) for s in sorted(seeds)}

    def samples(self, scores_of: ScoresOf) -> tuple[Floats, Floats]:
        """See Expression; empty unless the contrast is one score minus another, both of single arms."""
        node = self.node
        if isinstance(node, Operation) and node.sign == "-":
            both = [s for s in (node.left, node.right) if isinstance(s, Score) and isinstance(s.arm, Arm)]
            if len(both) == 2:
                ours, theirs = (np.array([*self._scored(s, scores_of).values()]) for s in both)
                return ours, theirs
        return np.array([]), np.array([])

    def lost(self, scores_of: ScoresOf, diverged: Diverged) -> tuple[dict[int, float], tuple[int, int]]:
        """See Expression. There is no outcome if better scores of a diverged arm may move the value either way."""
        pulls = {arm: self.measure.direction * pull for arm, pull in self._pulls(self.node).items()}
        bad = {arm: self._diverged(arm, scores_of, diverged) for arm in pulls}
        good = {
            arm: set.intersection(*(set(self._scored(s, scores_of)) for s in scores(self.node) if s.arm == arm))
            for arm in pulls
        }
        answers: dict[int, float] = {}
        for seed in sorted(set.union(*bad.values())):
            fallen = {pulls[arm] for arm in pulls if seed in bad[arm]}
            if 0 not in fallen and all(seed in good[arm] or seed in bad[arm] for arm in pulls):
                answers[seed] = 0.0 if len(fallen) > 1 else -math.inf * fallen.pop()
        runs = [sum(len(bad[arm]) for arm, pull in pulls.items() if pull == side) for side in (1, -1)]
        return answers, (runs[0], runs[1])

    def choices(self, scores_of: ScoresOf) -> dict[Best, Counter[str]]:
        """Return for each `best` the number of seeds for which each label was chosen."""
        counted: dict[Best, Counter[str]] = {}
        for score in dict.fromkeys(scores(self.node)):
            if isinstance(score.arm, Best):
                choose = self._chooser(score.arm, scores_of)
                counted[score.arm] = Counter(choose(s) for s in self._scored(score, scores_of))
        return counted

    def _chooser(self, best: Best, scores_of: ScoresOf) -> Callable[[int], str]:
        """Return a function from a seed to the label with the best mean over all *other* seeds, the first among equals.

        No run therefore takes part in its own choice. If all seeds decided, a run's luck on validation data, which carries over
        to test data, would count as merit. Only those seeds decide under which every label that has any score has one; if no
        other such seed exists, no label can be chosen, and the function returns an empty string.
        """
        rule = self.measures[best.by]
        known = {label: _known(scores_of(label, rule)) for label in self.candidates[best]}
        labels = [label for label, of in known.items() if of]
        common = sorted(set.intersection(*(set(known[label]) for label in labels))) if labels else []
        merits = rule.direction * np.array([[known[label][s] for label in labels] for s in common])

        def choose(seed: int) -> str:
            others = [s != seed for s in common]
            return labels[int(np.argmax(merits[others].mean(0)))] if any(others) else ""

        return choose

    def _scored(self, score: Score, scores_of: ScoresOf) -> Scores:
        if score.spread:
            values = self._scored(replace(score, spread=False), scores_of)
            middle = float(np.median([*values.values()])) if values else math.nan
            return {seed: abs(value - middle) for seed, value in values.items()}
        measure = self.measures[score.measure]
        if isinstance(score.arm, Arm):
            return _known(scores_of(score.arm.name, measure))
        choose = self._chooser(score.arm, scores_of)
        known = {label: _known(scores_of(label, measure)) for label in self.candidates[score.arm]}
        taken = {seed: known.get(choose(seed), {}) for seed in sorted(set().union(*known.values()))}
        return {seed: of[seed] for seed, of in taken.items() if seed in of}

    def _diverged(self, arm: Arm | Best, scores_of: ScoresOf, diverged: Diverged) -> set[int]:
        if isinstance(arm, Arm):
            return set(diverged(arm.name))
        bad, choose = {label: set(diverged(label)) for label in self.candidates[arm]}, self._chooser(arm, scores_of)
        return {seed for seed in set().union(*bad.values()) if seed in bad.get(choose(seed), ())}

    def _value(self, node: Node, known: Mapping[Score, float]) -> float:
        if isinstance(node, Score):
            return known[node]
        if isinstance(node, Number):
            return node.value
        if isinstance(node, Negative):
            return -self._value(node.of, known)
        left, right = self._value(node.left, known), self._value(node.right, known)
        if node.sign == "/":
            return left / right if right else math.nan
        return {"+": left + right, "-": left - right, "*": left * right}[node.sign]

    def _unit(self, node: Node) -> Unit:
        """Return the unit; raise UsageError for a sum of different units. A number takes the unit of what it is added to."""
        if isinstance(node, Number):
            return {}
        if isinstance(node, Negative):
            return self._unit(node.of)
        if isinstance(node, Score):
            return {_unit_of(self.measures[node.measure]): 1}
        left, right = self._unit(node.left), self._unit(node.right)
        if node.sign in "*/":
            sign = 1 if node.sign == "*" else -1
            powers = {u: left.get(u, 0) + sign * right.get(u, 0) for u in (*left, *right)}
            return {u: power for u, power in powers.items() if power}
        bare = [not any(scores(side)) for side in (node.left, node.right)]
        if left != right and not any(bare):
            raise UsageError(
                f"'{written(node)}' adds {_spoken(left)} to {_spoken(right)}; add values of the same unit, or divide "
                "each by a value in its own unit"
            )
        return right if bare[0] else left

    def _sign(self, node: Node) -> int:
        """Return 1 if the value is never below 0, -1 if it is never above 0, and 0 if it may be either."""
        if isinstance(node, Number):
            return 1
        if isinstance(node, Negative):
            return -self._sign(node.of)
        if isinstance(node, Score):
            measure = self.measures[node.measure]
            if node.spread:
                return 1
            low, high = measure.declared.range
            if measure.part == "gap":
                return 0
            return 1 if low is not None and low >= 0 else -1 if high is not None and high <= 0 else 0
        left, right = self._sign(node.left), self._sign(node.right)
        if node.sign in "*/":
            return left * right
        right = right if node.sign == "+" else -right
        return left if left == right else 0

    def _pulls(self, node: Node) -> dict[Arm | Best, int]:
        """Return the effect of a better score of each arm: 1 raises the value, -1 lowers it, 0 may do either."""
        if isinstance(node, Number):
            return {}
        if isinstance(node, Negative):
            return _turned(self._pulls(node.of), -1)
        if isinstance(node, Score):
            return {node.arm: 0 if node.spread else self.measures[node.measure].direction}
        left, right = self._pulls(node.left), self._pulls(node.right)
        if node.sign in "*/":
            below = -1 if node.sign == "/" else 1
            left, right = _turned(left, self._sign(node.right)), _turned(right, below * self._sign(node.left))
        elif node.sign == "-":
            right = _turned(right, -1)
        return {arm: _joint(arm, left, right) for arm in (left | right)}


def _unit_of(measure: Measure) -> str:
    """Return a name of the measure's unit; only values with the same name may be added.

    If the measure declares no unit, its metric is the unit, with or without averaged predictions. All areas under ROC curves
    have one unit, whichever classes they separate.
    """
    if measure.declared.unit:
        return measure.declared.unit
    if measure.metric.endswith("auroc"):
        return "auroc"
    prefix = next((p for p in OF_MODES if measure.metric.startswith(p)), "")
    return replace(measure, metric=re.sub(r"_of_\d+_runs$", "", measure.metric.removeprefix(prefix))).name


def _known(by_seed: Scores) -> Scores:
    return {s: v for s, v in by_seed.items() if v == v}


def _turned(pulls: Mapping[Arm | Best, int], sign: int) -> dict[Arm | Best, int]:
    return {arm: sign * pull for arm, pull in pulls.items()}


def _joint(arm: Arm | Best, *sides: Mapping[Arm | Best, int]) -> int:
    pulls = {of[arm] for of in sides if arm in of}
    return pulls.pop() if len(pulls) == 1 else 0


def _spoken(unit: Unit) -> str:
    """Return the unit in words: `percent`, `loss / percent`, `a number without a unit`. Points are only for differences."""
    above = [u for u, power in unit.items() for _ in range(power)]
    below = [u for u, power in unit.items() for _ in range(-power)]
    if not unit:
        return "a number without a unit"
    return f"{' × '.join(above) or '1'}{''.join(f' / {u}' for u in below)}"
