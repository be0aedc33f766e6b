"""The typed, frozen description of a study."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator

from dropbench.config.search_spec import SearchSpec
from dropbench.spec import Frozen, Names


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

    @field_validator("seed", mode="before")
    @classmethod
    def _as_typed(cls, value: Any) -> Any:
        return ",".join(map(str, value)) if isinstance(value, list) else str(value)
