"""Resolves the names in a contrast to the stored arms and measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from dropbench.errors import UsageError
from dropbench.report.records.filters import hint
from dropbench.report.records.measures import Measure
from dropbench.report.statistics.formula import Formula
from dropbench.report.statistics.grammar import Arm, Best, Negative, Node, Number, Score, arm_written, written
from dropbench.report.tables.arms import find
from dropbench.report.tables.factors import Factors
from dropbench.report.tables.selection import safest
from dropbench.values import plain


class NoArm(UsageError):
    """Raised for a name that no arm has. asked: the question, in front of the message; hint: what to type."""

    def __init__(self, name: str, hint: str, asked: str = "") -> None:
        super().__init__(f"{asked}no arm here is called '{name}'; {hint}")
        self.name, self.hint, self.asked = name, hint, asked


def bound(node: Node, factors: Factors, words: Mapping[str, Measure] | None = None) -> Formula:
    """Return the contrast with labels as its arms and with existing measures; words: measures of histories, by typed name.

    Raises UsageError for a name that is unknown or matches several arms, and for units that do not fit.
    """
    binding = _Binding(factors, words or {})
    try:
        return Formula(binding.of(node), binding.measures, binding.candidates)
    except NoArm as error:
        raise NoArm(error.name, error.hint, f"contrast '{written(node)}': ") from None
    except UsageError as error:
        raise UsageError(f"contrast '{written(node)}': {error}") from None


def _typed(name: str) -> str:
    """Return a name as it is typed between quotes, with backslashes doubled."""
    return name.replace("\\", "\\\\")


class _Binding:
    """Resolves names; measures: those found so far, by name; candidates: the labels that each `best` chooses from."""

    def __init__(self, factors: Factors, words: Mapping[str, Measure]) -> None:
        self.factors, self.words = factors, words
        self.measures: dict[str, Measure] = {}
        self.candidates: dict[Best, Sequence[str]] = {}

    def of(self, node: Node) -> Node:
        if isinstance(node, Number):
            return node
        if isinstance(node, Negative):
            return Negative(self.of(node.of))
        if isinstance(node, Score):
            arm = self._arm(node.arm) if isinstance(node.arm, Arm) else self._best(node.arm)
            return replace(node, arm=arm, measure=self._measure(node.measure, "test"))
        return replace(node, left=self.of(node.left), right=self.of(node.right))

    def _arm(self, arm: Arm) -> Arm:
        arms = self.factors.whole.arms
        meant = [a.label for a in find(arms, arm.name)]
        if not meant:
            names = [name for a in arms for name in (a.label, *a.names, a.setting) if name]
            raise NoArm(arm.name, hint(arm.name, map(_typed, names)))
        if len(meant) > 1:
            some, keys = " or ".join(arm_written(Arm(label)) for label in meant[:3]), self.factors.differing(meant)
            raise UsageError(
                f"'{arm.name}' may mean any of {len(meant)} arms, which differ in {', '.join(keys)}; write {some}, or choose "
                "by a filter"
            )
        return Arm(meant[0])

    def _best(self, best: Best) -> Best:
        named = replace(best, by=self._measure(best.by, "val"))
        if named not in self.candidates:
            labels = self._differing(best.of) if best.key else self._matching(best.of)
            self.candidates[named] = safest(self.factors.whole.runs, labels)
        return named

    def _matching(self, glob: str) -> list[str]:
        arms = self.factors.whole.arms
        labels = [
            a.label
            for a in arms
            if any(fnmatchcase(name, form) for form in (glob, plain(glob)) for name in (a.label, *a.names))
        ]
        if not labels:
            raise UsageError(f"no arm here is called '{glob}'; {hint(glob, [_typed(a.label) for a in arms])}")
        return labels

    def _differing(self, key: str) -> list[str]:
        first, *more = self.factors.series(key)
        if more:
            names = ", ".join(s.name for s in (first, *more))
            raise UsageError(
                f"{key} varies in {len(more) + 1} sets of arms ({names}); choose by a filter, or name the arms of one, as in "
                f"best('{first.name}*', by=val_loss)"
            )
        return first.labels

    def _measure(self, name: str, part: str) -> str:
        """Return the full name of a measure; a bare metric such as `accuracy` gets the default part, `test` or `val`."""
        if name in self.words:
            self.measures[name] = self.words[name]
            return name
        whole = self.factors.whole
        there = {str(m): m for m in whole.measures.within(whole.runs)}
        for full in (name, f"{part}_{name}"):
            if full in there:
                self.measures[full] = there[full]
                return full
        raise UsageError(f"no run here measured '{name}'; {hint(name, there)}")
