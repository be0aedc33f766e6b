"""What is stored of the statements that a study puts to the test: those about its arms, and those that are mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class StoredClaim:
    """A statement about arms, and the contrast that decides it: see `config.study_spec.Claim`, whose fields these are."""

    says: str
    contrast: str
    expect: Literal["above", "below", "within"]
    rope: str | None = None
    margin: str | None = None
    number: int | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class StoredProgram:
    """A statement about a function of a seed (`config.study_spec.Program`), and the numbers that it gave.

    seeds, values: one number for each. pilot: those of the pilot's seeds. seconds: what all of them took.
    """

    says: str
    target: str
    expect: Literal["above", "below", "within"]
    rope: float = 0.0
    margin: float | None = None
    number: int | None = None
    note: str | None = None
    seeds: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    pilot: list[float] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case of an identity: what was computed one way and the other.

    case: which it is. measured, formula: its two sides. within: how far they may differ to count as equal, which is what the
    computing itself can differ by.
    """

    case: str
    measured: float
    formula: float
    within: float

    @property
    def equal(self) -> bool:
        """Whether the identity holds here."""
        return abs(self.measured - self.formula) <= self.within


@dataclass(frozen=True, kw_only=True)
class StoredCheck:
    """A statement that is mathematics, and its cases as they were computed. seconds: what that took."""

    says: str
    cases: list[Case] = field(default_factory=list)
    number: int | None = None
    note: str | None = None
    seconds: float = 0.0
