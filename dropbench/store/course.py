"""What is stored of a plan that goes on from what it finds: its rule, and how far it has come."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from dropbench.values import number, written


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What decides on the next runs, together with the records of those that have finished. It is part of the plan's id.

    Attributes
    ----------
    tune : dict
        Values to choose from by key of the configuration; empty where nothing is tuned.
    tuning_seeds : list of int
        Under which they are tried, in all arms.
    seeds : list of int
        Of the comparison, in the order in which they are taken up.
    looks : list of int
        After how many of these seeds the comparison is judged; one number where it is judged once.
    confirms : list of str
        The runs that chose what is compared, where it is compared again under other seeds.
    search : dict
        How settings are searched, as the study says; empty where none are.
    pilot : list of int
        Under which seeds the arms run before they are compared, for the power of the comparison alone.
    """

    tune: dict[str, list[Any]] = field(default_factory=dict)
    tuning_seeds: list[int] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    looks: list[int] = field(default_factory=list)
    confirms: list[str] = field(default_factory=list)
    search: dict[str, Any] = field(default_factory=dict)
    pilot: list[int] = field(default_factory=list)

    @property
    def parameters(self) -> dict[str, Any]:
        """Those that say something, which alone are hashed: a parameter that comes later changes no id of today."""
        return {name: value for name, value in asdict(self).items() if value}

    @property
    def options(self) -> list[str]:
        """The options of a sweep with which it is typed, beside the overrides."""
        words = [
            word for key, values in self.tune.items() for word in ("--tune", f"{key}={','.join(map(written, values))}")
        ]
        if self.tune:
            words += ["--tuning-seeds", str(len(self.tuning_seeds))]
        return [*words, "--until-settled", "--at-most", str(self.looks[-1])] if self.looks else words


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One setting of an arm that was tuned, and what came of it.

    setting: by key. score: the mean of its runs that completed, None where none did. sd: theirs (ddof 1), None of fewer than
    two. runs: how many finished. diverged: how many of these diverged. failed: how many did not finish, since they raised.
    """

    setting: dict[str, Any]
    score: float | None
    sd: float | None
    runs: int
    diverged: int
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class Edge:
    """The best value of a key is the last one that was tried in its direction.

    end: "smallest" or "largest". beyond: a value further on that would be worth a try.
    """

    key: str
    value: Any
    end: str
    beyond: float


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What the tuning found of an arm.

    Attributes
    ----------
    arm : str
        What it is called.
    arm_id : str
        Of the chosen setting; of the first where none was chosen.
    measure : str
        What chose: `val_accuracy` or `val_loss`.
    candidates : list of Candidate
        All that were tried, in the order of the rule's values.
    chosen : int or None
        Which of them is the best; None where every run of every one failed, so that the arm is left out.
    baseline : bool
        Whether it is an arm with which others are compared.
    sampled : bool
        Whether candidates were drawn at random, so that the last of them in a direction is no end of what was tried.
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
        """The setting that was chosen, if one was."""
        return None if self.chosen is None else self.candidates[self.chosen]

    @property
    def all_diverged(self) -> bool:
        """Whether no run of any setting completed, though some did not fail: then the chosen one is no better than others."""
        return self.chosen is not None and all(c.runs == c.diverged for c in self.candidates)

    @property
    def equals(self) -> list[Candidate]:
        """The other settings that scored the same as the chosen one, with as many runs that diverged and failed."""
        best = self.best
        if best is None or best.score is None:
            return []
        like = [
            c for c in self.candidates if (c.score, c.diverged, c.failed) == (best.score, best.diverged, best.failed)
        ]
        return [c for c in like if c is not best]

    @property
    def edges(self) -> list[Edge]:
        """Where the best value is the smallest or the largest that was tried, and another one lies beyond it."""
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
    """One step further than the last of some values, as large as the one to it, in two digits; None where nothing is there.

    Steps are ratios where both are above 0. Nothing is below 0, where that is the least value: it is where a rate or a strength
    ends. Of values below 1, which may be rates, half of the way to 1 is as far as it goes.
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
    """Runs that were decided on together. name: "tuning", "pilot", or "comparison" as often as it is looked at."""

    name: str
    runs: list[str]


@dataclass(frozen=True, kw_only=True)
class Course:
    """A rule, the stages that are known so far, what the tuning found, and whether no further stage will come."""

    rule: Rule
    stages: list[StoredStage]
    tuned: list[Tuned] = field(default_factory=list)
    ended: bool = False
