"""The typed, frozen description of a study."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from dropbench.config.search_spec import SearchSpec
from dropbench.spec import Frozen, Names


class Claim(Frozen):
    """A statement that a study tests, and the contrast that decides it.

    says: the statement, a sentence. contrast: the contrast, in the grammar of contrasts. expect: where the contrast must be for
    the statement to hold: above the region of equivalence, below it, or within. rope: that region in the form of `--rope`;
    None: the measure's own. margin: the effect size for which the power is reported before the reporting seeds run, in the
    same form; None: twice the region. number: its number in docs/claims.md. note: a remark on the verdict, such as when the
    statement cannot hold.
    """

    says: str
    contrast: str
    expect: Literal["above", "below", "within"]
    rope: str | None = None
    margin: str | None = None
    number: Annotated[int, Field(ge=1)] | None = None
    note: str | None = None


class Check(Frozen):
    """A mathematical statement, and the function that computes both of its sides in one or several cases.

    says: the statement, a sentence. target: the import path of the function. number, note: as in `Claim`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    says: str
    target: str = Field(alias="_target_")
    number: Annotated[int, Field(ge=1)] | None = None
    note: str | None = None


class Program(Frozen):
    """A statement about the number that a function of a seed returns, for experiments of several fits that are not runs.

    target: the import path of the function. expect, number, note: as in `Claim`. rope, margin: as in `Claim`, but in the
    number's own unit; margin None: twice the region.
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
    """A named question with its seeds and its arms, each of which is a mapping of overrides added to the command line's.

    A study may have further keys, such as `target`, to which its arms, `set` or `grid` refer.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    question: str | None = None
    baseline: str
    seed: str = "range(0,10)"
    """The seeds in the grammar of the command line, used if the command line sets no seed."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Overrides for all arms. Typed overrides take precedence over them, and an arm's own over both."""
    arms: dict[str, dict[str, Any]] = Field(default_factory=dict)
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    """Lists of values by key. Every combination of values is an arm, in addition to `arms`."""
    outcomes: Names = ()
    """The metrics that the study is about, such as accuracy and ece, tested on the test split with one correction for all."""
    search: SearchSpec | None = None
    """The search for the settings of its arms, before the arms are compared."""
    contrasts: dict[str, str] = Field(default_factory=dict)
    """Named comparisons of arms, in the grammar of contrasts: `{retuned: a.test_accuracy - b.test_accuracy}`."""
    claims: dict[str, Claim] = Field(default_factory=dict)
    """The statements by name that its arms test."""
    checks: dict[str, Check] = Field(default_factory=dict)
    """The mathematical statements by name."""
    programs: dict[str, Program] = Field(default_factory=dict)
    """The statements about functions of a seed, by name."""
    pilot: str | None = None
    """Seeds under which all arms run first, in the grammar of the command line. They only serve to estimate the power of its
    claims. None: there is no pilot."""

    @field_validator("seed", "pilot", mode="before")
    @classmethod
    def _as_typed(cls, value: Any) -> Any:
        return ",".join(map(str, value)) if isinstance(value, list) else None if value is None else str(value)
