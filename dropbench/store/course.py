"""What is stored of a plan that goes on from what it finds: its rule, and how far it has come."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


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
    """

    tune: dict[str, list[Any]] = field(default_factory=dict)
    tuning_seeds: list[int] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    looks: list[int] = field(default_factory=list)
    confirms: list[str] = field(default_factory=list)

    @property
    def parameters(self) -> dict[str, Any]:
        """Those that say something, which alone are hashed: a parameter that comes later changes no id of today."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One setting of an arm that was tuned, and what came of it.

    setting: by key. score: the mean of its runs that completed, None where none did. sd: theirs (ddof 1), None of fewer than
    two. runs: how many finished. diverged: how many of these diverged.
    """

    setting: dict[str, Any]
    score: float | None
    sd: float | None
    runs: int
    diverged: int


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """An arm with its own best setting.

    Attributes
    ----------
    arm : str
        What it is called.
    arm_id : str
        Of the chosen setting.
    measure : str
        What chose: `val_accuracy` or `val_loss`.
    candidates : list of Candidate
        All that were tried, in the order of the rule's values.
    chosen : int
        Which of them is the best.
    """

    arm: str
    arm_id: str
    measure: str
    candidates: list[Candidate]
    chosen: int


@dataclass(frozen=True, kw_only=True)
class StoredStage:
    """Runs that were decided on together. name: "tuning", or "comparison" as often as it is looked at."""

    name: str
    runs: list[str]


@dataclass(frozen=True, kw_only=True)
class Course:
    """A rule, the stages that are known so far, what the tuning found, and whether no further stage will come."""

    rule: Rule
    stages: list[StoredStage]
    tuned: list[Tuned] = field(default_factory=list)
    ended: bool = False
