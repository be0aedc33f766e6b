"""Checks, before anything trains, that the contrasts that a study names can be computed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from dropbench.errors import UsageError, nearest

if TYPE_CHECKING:
    from dropbench.planning.plan import Plan
    from dropbench.report.records.measures import Measure
    from dropbench.report.statistics.grammar import Arm, Best, Node
    from dropbench.spec import Declaration, MetricSpec


def check(plan: Plan) -> None:
    """Raise UsageError for a contrast that does not parse, names what the study lacks, or combines what does not fit."""
    asked = {f"contrasts.{name}": text for name, text in plan.contrasts.items()}
    asked |= {f"claims.{name}": claim.contrast for name, claim in plan.claims.items()}
    if not asked:
        return
    from dropbench.report.statistics.formula import Formula
    from dropbench.report.statistics.grammar import parse

    metrics = {name: metric for spec in plan.specs for name, metric in spec.metric.items()}
    for name, text in asked.items():
        names = _Names(list(plan.arms), metrics, {}, {}, {spec.eval.mode for spec in plan.specs})
        try:
            Formula(names.held(parse(text)), names.measures, names.candidates)
        except UsageError as error:
            raise UsageError(f"study.{name}: {error}") from None


@dataclass(frozen=True)
class _Names:
    """Arms, metrics and modes of evaluation of a study. measures, candidates: those met so far, in the form Formula takes."""

    arms: Sequence[str]
    metrics: dict[str, MetricSpec]
    measures: dict[str, Measure]
    candidates: dict[Best, Sequence[str]]
    modes: Collection[str]

    def held(self, node: Node) -> Node:
        """Return the contrast with full names of measures. Raises UsageError for a name that the study does not have."""
        from dropbench.report.statistics.grammar import Arm, Negative, Number, Score

        if isinstance(node, Number):
            return node
        if isinstance(node, Negative):
            return Negative(self.held(node.of))
        if isinstance(node, Score):
            arm = self._arm(node.arm) if isinstance(node.arm, Arm) else self._best(node.arm)
            return replace(node, arm=arm, measure=self._measure(node.measure, "test"))
        return replace(node, left=self.held(node.left), right=self.held(node.right))

    def _arm(self, arm: Arm) -> Arm:
        if arm.name not in self.arms:
            raise UsageError(f"no arm of the study is called '{arm.name}'; {nearest(arm.name, self.arms)}")
        return arm

    def _best(self, best: Best) -> Best:
        named = replace(best, by=self._measure(best.by, "val"))
        fit = [arm for arm in self.arms if best.key or fnmatchcase(arm, best.of)]
        if not fit:
            raise UsageError(f"no arm of the study is called '{best.of}'; {nearest(best.of, self.arms)}")
        self.candidates[named] = fit
        return named

    def _measure(self, name: str, part: str) -> str:
        from dropbench.report.records.frame import PARTS
        from dropbench.report.records.measures import Measure
        from dropbench.store import Measure as Declared

        if (measure := self._made(name)) is not None:
            self.measures[name] = measure
            return name
        for full in (name, f"{part}_{name}"):
            where, _, metric = full.partition("_")
            if where in PARTS and (found := self._declared(metric)) is not None:
                how = Declared(found.direction, found.range, found.unit, found.region)
                self.measures[full] = Measure(where, metric, how)
                return full
        known = [f"{p}_{metric}" for metric in self.metrics for p in PARTS]
        raise UsageError(f"no run of the study measures '{name}'; {nearest(name, known)}")

    def _made(self, name: str) -> Measure | None:
        """Return a measure that is computed from histories, or from several runs together; None if the name is none."""
        from dropbench.report.records import together
        from dropbench.report.records.convergence import asked
        from dropbench.report.records.measures import Measures
        from dropbench.store import Measure as Declared

        declared = {m: Declared(d.direction, d.range, d.unit, d.region) for m, d in self.metrics.items()}
        measures = Measures(declared)
        wanted = together.asked(name, measures) or asked(name, measures)
        return None if wanted is None else wanted.measure

    def _declared(self, metric: str) -> Declaration | None:
        if metric in self.metrics:
            return self.metrics[metric]
        also = {pattern: how for of in self.metrics.values() for pattern, how in of.also.items()}
        if found := next((how for pattern, how in also.items() if fnmatchcase(metric, pattern)), None):
            return found
        return self._of_mode(metric)

    def _of_mode(self, metric: str) -> Declaration | None:
        """Return the declaration of a metric that `eval.mode` adds; None if the name is none."""
        from dropbench.spec import Declaration
        from dropbench.store.derived import OF_MODES, SPREADS

        for prefix in OF_MODES:
            mode = "mc" if prefix == "mc_" else "ensemble"
            of_mode = mode in self.modes and metric.startswith(prefix)
            if of_mode and (found := self._declared(metric.removeprefix(prefix))) is not None:
                return found
        unit = next((u for pattern, u in SPREADS.items() if "mc" in self.modes and fnmatchcase(metric, pattern)), None)
        return None if unit is None else Declaration(range=(0.0, None), unit=unit)
