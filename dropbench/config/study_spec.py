"""The typed, frozen description of a study."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from dropbench.config.search_spec import SearchSpec
from dropbench.spec import Frozen, Names


class Claim(Frozen):
    """A statement that a study puts to the test, and the one contrast that decides it.

    says: the statement, a sentence. contrast: in the grammar of contrasts. expect: what it must be for the statement to hold,
    above the region of no difference, below it, or within. rope: that region as `--rope` takes it; None: the measure's own.
    margin: the size at which the power is told before the reporting seeds run, in the same forms; None: twice the region.
    number: in the list of docs/claims.md. note: what to know of the verdict, such as when the statement cannot hold.
    """

    says: str
    contrast: str
    expect: Literal["above", "below", "within"]
    rope: str | None = None
    margin: str | None = None
    number: Annotated[int, Field(ge=1)] | None = None
    note: str | None = None


class Check(Frozen):
    """A statement that is mathematics, and the function that computes both of its sides in one case or several.

    says: the statement, a sentence. target: the import path of the function. number, note: as of a Claim.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    says: str
    target: str = Field(alias="_target_")
    number: Annotated[int, Field(ge=1)] | None = None
    note: str | None = None


class Program(Frozen):
    """A statement about the number that a function of a seed gives: experiments of several fits, which are no run.

    target: the import path of the function. expect, number, note: as of a Claim. rope, margin: in the number's own unit; margin
    None: twice the region.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    says: str
    target: str = Field(alias="_target_")
    expect: Literal["above", "below", "within"]
    rope: Annotated[float, Field(ge=0)] = 0.0
    margin: Annotated[float, Field(ge=0)] | None = None
    number: Annotated[int, Field(ge=1)] | None = None
    note: str | None = None


class StudySpec(Frozen):
    """A named question: its arms, each a mapping of overrides beside those of the command line, and its seeds.

    Keys of a study's own, such as `target`, are what its arms, `set` or `grid` refer to.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    question: str | None = None
    baseline: str
    seed: str = "range(0,10)"
    """In the grammar of the command line; used where that sets no seed."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Overrides for all arms; what is typed wins over them, and an arm over both."""
    arms: dict[str, dict[str, Any]] = Field(default_factory=dict)
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    """Values by key: every combination of them is an arm beside `arms`."""
    outcomes: Names = ()
    """Metrics that the study is about, such as accuracy and ece: judged on the test split and corrected together."""
    search: SearchSpec | None = None
    """Which settings of its arms are searched before they are compared."""
    contrasts: dict[str, str] = Field(default_factory=dict)
    """Questions to the arms by name, in the grammar of contrasts: `{retuned: a.test_accuracy - b.test_accuracy}`."""
    claims: dict[str, Claim] = Field(default_factory=dict)
    """Statements by name that its arms put to the test."""
    checks: dict[str, Check] = Field(default_factory=dict)
    """Statements by name that are mathematics."""
    programs: dict[str, Program] = Field(default_factory=dict)
    """Statements by name about functions of a seed."""
    pilot: str | None = None
    """Seeds of all arms that run first, in the grammar of the command line: they tell the power of its claims, and nothing
    else. None: there are none."""

    @field_validator("seed", "pilot", mode="before")
    @classmethod
    def _as_typed(cls, value: Any) -> Any:
        return ",".join(map(str, value)) if isinstance(value, list) else None if value is None else str(value)
