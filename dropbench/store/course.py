"""What is stored for a plan whose next runs depend on its results: its rule, and how far it has come."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from dropbench.values import number, written


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The rule that decides, from the records of finished runs, which runs come next. It is part of the plan's id.

    Attributes
    ----------
    tune : dict
        Values to choose from by key of the configuration; empty if nothing is tuned.
    tuning_seeds : list of int
        Seeds under which the values are tried, in all arms.
    seeds : list of int
        Seeds of the comparison, in the order in which they are used.
    looks : list of int
        After how many of these seeds the comparison is judged; empty, or a single number, if it is judged once.
    confirms : list of str
        Ids of the runs by which the compared arms were chosen, if this plan compares them again under other seeds.
    search : dict
        How settings are searched, as the study says; empty if there is no search.
    pilot : list of int
        Seeds under which the arms run before the comparison, only to estimate its power.
    widen : int
        How often values beyond those of `tune` may be tried, where the best of an arm is the smallest or the largest.
    """

    tune: dict[str, list[Any]] = field(default_factory=dict)
    tuning_seeds: list[int] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    looks: list[int] = field(default_factory=list)
    confirms: list[str] = field(default_factory=list)
    search: dict[str, Any] = field(default_factory=dict)
    pilot: list[int] = field(default_factory=list)
    widen: int = 0

    @property
    def parameters(self) -> dict[str, Any]:
        """The nonempty fields. Only these are hashed, so that a field added in the future changes no existing id."""
        return {name: value for name, value in asdict(self).items() if value}

    @property
    def options(self) -> list[str]:
        """The command-line options of a sweep that give this rule, without the overrides."""
        words = [
            word for key, values in self.tune.items() for word in ("--tune", f"{key}={','.join(map(written, values))}")
        ]
        if self.tune:
            words += ["--tuning-seeds", str(len(self.tuning_seeds))]
        if self.widen:
            words += ["--widen", str(self.widen)]
        return [*words, "--until-settled", "--at-most", str(self.looks[-1])] if self.looks else words


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One candidate setting of a tuned arm, and its results.

    setting: by key. score: the mean over its completed runs, None if there are none. sd: their standard deviation (ddof 1),
    None for fewer than two. runs: how many finished. diverged: how many of these diverged. failed: how many did not finish
    because they raised an error.
    """

    setting: dict[str, Any]
    score: float | None
    sd: float | None
    runs: int
    diverged: int
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class Edge:
    """The best value of a key is at the end of the values that were tried.

    end: "smallest" or "largest". beyond: a value further in that direction that would be worth a try.
    """

    key: str
    value: Any
    end: str
    beyond: float


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What the tuning found for an arm.

    Attributes
    ----------
    arm : str
        Its name.
    arm_id : str
        The id of the chosen setting; of the first setting if none was chosen.
    measure : str
        The score by which it was chosen: `val_accuracy` or `val_loss`.
    candidates : list of Candidate
        All settings that were tried, in the order of the rule's values.
    chosen : int or None
        Index of the best candidate; None if every run of every candidate failed, so that the arm is left out.
    baseline : bool
        Whether it is an arm with which others are compared.
    sampled : bool
        Whether candidates were drawn at random, so that the most extreme one is not the end of a range.
    """

    arm: str
    arm_id: str
    measure: str
    candidates: list[Candidate]
    chosen: int | None
    baseline: bool = False
    sampled: bool = False

    @property
    def best(self) -> Candidate | None:
        """The chosen setting, or None."""
        return None if self.chosen is None else self.candidates[self.chosen]

    @property
    def all_diverged(self) -> bool:
        """Whether no run completed though some did not fail: then the chosen setting is no better than the others."""
        return self.chosen is not None and all(c.runs == c.diverged for c in self.candidates)

    @property
    def equals(self) -> list[Candidate]:
        """The other settings with the same score as the chosen one, and as many diverged and failed runs."""
        best = self.best
        if best is None or best.score is None:
            return []
        like = [
            c for c in self.candidates if (c.score, c.diverged, c.failed) == (best.score, best.diverged, best.failed)
        ]
        return [c for c in like if c is not best]

    @property
    def edges(self) -> list[Edge]:
        """The keys whose best value is the smallest or the largest that was tried, if a value beyond it is possible."""
        best = self.best
        if best is None or self.all_diverged or best.score is None or self.sampled:
            return []
        found = []
        for key, value in best.setting.items():
            size = number(value)
            tried = sorted({n for c in self.candidates if (n := number(c.setting.get(key))) is not None})
            if size is None or len(tried) < 2 or size not in (tried[0], tried[-1]):
                continue
            next_in = tried[-2] if size == tried[-1] else tried[1]
            whole = all(isinstance(c.setting.get(key), int) for c in self.candidates)
            if (further := _beyond(size, next_in, whole=whole)) is not None:
                end = "largest" if size == tried[-1] else "smallest"
                found.append(Edge(key=key, value=value, end=end, beyond=further))
        return found


def _beyond(last: float, before: float, *, whole: bool) -> float | None:
    """Returns the value one step beyond `last`, as large as the step from `before`, to two digits; None if there is none.

    If both are above 0 the step is a ratio, and there is no step from 0, because rates and strengths end there. From values
    below 1, which may be rates, it goes at most half of the way to 1.
    """
    if not math.isfinite(last) or not math.isfinite(before) or last == 0:
        return None
    step = last * last / before if last > 0 and before > 0 else 2 * last - before
    if whole:
        further = round(step) if round(step) != last else last + (1 if last > before else -1)
        return int(further) if further > 0 or last < 0 else None
    if before < last < 1 <= step:
        step = (1 + last) / 2
    further = float(f"{step:.2g}")
    return further if (further > last) == (last > before) and further != last else float(step)


@dataclass(frozen=True, kw_only=True)
class StoredStage:
    """Runs that were decided on together. name: "tuning", "pilot" or "comparison"; each look adds one more "comparison"."""

    name: str
    runs: list[str]


@dataclass(frozen=True, kw_only=True)
class Course:
    """A rule, the stages so far, what the tuning found, and whether no further stage will come.

    looked: after how many seeds the comparison was judged so far, at the rule's looks and wherever a command was stopped
    between them; empty before the first time, and in older plans.
    """

    rule: Rule
    stages: list[StoredStage]
    tuned: list[Tuned] = field(default_factory=list)
    ended: bool = False
    looked: list[int] = field(default_factory=list)

    @property
    def looks(self) -> tuple[int, ...]:
        """After how many seeds it was judged so far, increasing; before the first time, the first look that is planned.

        Only for a rule with looks. An older plan does not say where it was stopped: it counts as judged at its next look.
        """
        planned = self.rule.looks
        taken = sorted({n for n in self.looked if 0 < n <= planned[-1]})
        return tuple(taken or planned[: max(1, sum(stage.name == "comparison" for stage in self.stages))])
