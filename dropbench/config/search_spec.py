"""The search of a study: which settings of each arm are tried, how many, and how."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from dropbench.errors import UsageError
from dropbench.spec import Frozen, Names, Positive
from dropbench.values import written

EVERY = "*"
"""The name of the space that all arms have, with the same draws in each arm."""
Value = Any
Kind = Literal["uniform", "loguniform", "whole", "choice", "subset"]
_CALL = re.compile(r"\s*(uniform|loguniform|whole|choice|subset)\((.*)\)\s*")


class Distribution(NamedTuple):
    """The distribution that a value is drawn from.

    It is uniform or loguniform between two numbers, a whole number between two (whole), one of several values (choice), or
    some of several values (subset). A value of a choice may be a mapping, that is several settings that come together.
    """

    kind: Kind
    values: tuple[Value, ...]

    @property
    def chooses(self) -> bool:
        """Whether its values lead to different kinds of runs, and not only to other numbers in the same kind."""
        return self.kind in ("choice", "subset") and any(not isinstance(v, int | float) for v in self.values)

    @property
    def several(self) -> bool:
        """Whether each value sets several keys."""
        return any(isinstance(v, dict) for v in self.values)

    @property
    def draws(self) -> int:
        """The number of uniform numbers that a value needs."""
        return len(self.values) if self.kind == "subset" else 1

    def value(self, u: list[float]) -> Value:
        """Returns the value for uniform numbers `u` in [0, 1). Real numbers have three digits, so that they can be typed."""
        if self.kind == "subset":
            return [v for v, one in zip(self.values, u, strict=True) if one < 0.5]
        if self.kind == "choice":
            return self.values[int(u[0] * len(self.values))]
        low, high = self.values
        if self.kind == "whole":
            return int(low) + int(u[0] * (int(high) - int(low) + 1))
        if self.kind == "loguniform":
            return float(f"{low * (high / low) ** u[0]:.3g}")
        return float(f"{low + (high - low) * u[0]:.3g}")


class SearchSpec(Frozen):
    """How the settings of a study's arms are searched: at random, giving up the worse ones early, or by Optuna.

    method: `random`, or `optuna`, whose tree-structured Parzen estimator (Bergstra et al. 2011) proposes settings from the
    scores of earlier ones, `together` of each arm at a time; each of these is trained to the end. budget: the number of
    settings that are tried for each arm with a space, the same for all. seeds: the number of seeds under which each setting is
    tried. rungs: 1: all settings are trained to the end; more: successive halving (Jamieson & Talwalkar 2016,
    arXiv:1502.07943), in which each rung is `eta` times as long as the one before and keeps the best 1 / eta of its settings.
    together: this number of consecutive settings share the values that choose another kind of run, such as its regularizers,
    so that they train as one stack. seed: the seed of the draws. spaces: by arm, and under `*` for all arms, the distribution
    of each key: `uniform(0, 0.8)`, `loguniform(1e-5, 0.1)`, `whole(1, 5)`, `choice(a, b)`, `subset(mixup, sam)`, or a list to
    choose from; under a name that is not a key, a list of mappings, each of settings that come together. leave_out: arms whose
    best setting is also compared with the same setting without each of its regularizers.
    """

    method: Literal["random", "optuna"] = "random"
    budget: Positive = 24
    seeds: Positive = 2
    rungs: Annotated[int, Field(ge=1, le=5)] = 3
    eta: Annotated[int, Field(ge=2, le=10)] = 3
    together: Positive = 4
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    leave_out: Names = ()
    spaces: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]

    @property
    def rule(self) -> dict[str, Any]:
        """The fields that determine the runs. Fields of another method are left out, so that older plans keep their ids."""
        without = {"method"} if self.method == "random" else {"rungs", "eta"}
        return self.model_dump(mode="json", exclude=without)

    @model_validator(mode="before")
    @classmethod
    def _one_rung(cls, given: Any) -> Any:
        """Sets one rung for the method `optuna`, unless rungs are given; then `proposing` refuses another number."""
        return {"rungs": 1, **given} if isinstance(given, dict) and given.get("method") == "optuna" else given

    @field_validator("spaces", mode="after")
    @classmethod
    def _can_be_read(cls, spaces: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for arm, space in spaces.items():
            for key, text in space.items():
                try:
                    distribution(text)
                except UsageError as error:
                    raise ValueError(f"{arm}, {key}: {error}") from error
        return spaces


def distribution(text: Value) -> Distribution:
    """Parses a distribution: a call such as `uniform(0, 0.8)`, or a list to choose from.

    Raises UsageError for anything else, and for invalid bounds.
    """
    import yaml  # type: ignore[import-untyped]

    if isinstance(text, list):
        kind, values = "choice", list(text)
    elif (call := _CALL.fullmatch(str(text))) is None:
        raise UsageError(
            f"{written(text)} is not a distribution; write uniform(0, 0.8), loguniform(1e-5, 0.1), whole(1, 5), "
            "choice(a, b), subset(a, b) or a list"
        )
    else:
        kind = call[1]
        values = [_number(value) for value in yaml.safe_load(f"[{call[2]}]")]
    if any(isinstance(v, dict) for v in values) and not all(isinstance(v, dict) for v in values):
        raise UsageError(
            f"{written(text)}: a list with a mapping must contain only mappings; write {{}} for one that sets nothing"
        )
    if not values or (kind not in ("choice", "subset") and not _bounds(kind, values)):
        raise UsageError(f"{written(text)}: {kind} takes {_TAKES.get(kind, 'values to choose from')}")
    return Distribution(kind, tuple(values))  # type: ignore[arg-type]


_TAKES = {
    "uniform": "two numbers, the smaller one first",
    "loguniform": "two numbers above 0, the smaller one first",
    "whole": "two whole numbers, the smaller one first",
}


def _number(value: Value) -> Value:
    """Converts a text to a number if possible, because YAML 1.1 reads 1e-5 as a text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _bounds(kind: str, values: list[Value]) -> bool:
    if len(values) != 2 or not all(isinstance(v, int | float) and math.isfinite(v) for v in values):
        return False
    low, high = values
    whole = kind != "whole" or all(float(v).is_integer() for v in values)
    return low < high and whole and (kind != "loguniform" or low > 0)
