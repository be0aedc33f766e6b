"""What is stored for the statements that a study tests: about its arms, mathematical ones, and those about programs."""

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
    """A statement about a function of a seed (`config.study_spec.Program`), and the numbers that the function returned.

    seeds, values: one value per seed. pilot: the values for the pilot's seeds. seconds: the time that all of them took.
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
    """One case of an identity: its two sides, as computed.

    case: a description. measured, formula: the two sides. within: the largest difference that counts as equal, which is the
    numerical error of the computation.
    """

    case: str
    measured: float
    formula: float
    within: float

    @property
    def equal(self) -> bool:
        """Whether the identity holds in this case."""
        return abs(self.measured - self.formula) <= self.within


@dataclass(frozen=True, kw_only=True)
class StoredCheck:
    """A mathematical statement and its computed cases. seconds: the time that they took."""

    says: str
    cases: list[Case] = field(default_factory=list)
    number: int | None = None
    note: str | None = None
    seconds: float = 0.0
