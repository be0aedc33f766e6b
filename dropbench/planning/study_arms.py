"""The arms of a study: those that it names, and the combinations of its grid, which get names here."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dropbench.config import several, sweeps
from dropbench.config.compose import Composed, Composer
from dropbench.config.shape import EPOCHS, UPDATES
from dropbench.config.study_keys import overrides_of
from dropbench.config.study_spec import StudySpec
from dropbench.config.typed import setting as typed_setting
from dropbench.errors import UsageError, nearest
from dropbench.identity import BESIDE
from dropbench.planning.own_rates import with_own
from dropbench.process.apart import PartDied
from dropbench.spec import RunSpec
from dropbench.values import written

Overrides = Mapping[str, str]
"""Simple overrides by key."""


class Coincide(UsageError):
    """Two arms of a study are the same run."""


@dataclass
class StudyArm:
    """An arm. runs: one per seed. of_grid: the combinations of the grid that it is; none if the study names it.

    died: why there are no runs, if its code ends the process on import.
    """

    name: str
    of_grid: list[Mapping[str, Any]]
    runs: list[Composed] = field(default_factory=list)
    died: PartDied | None = None

    @property
    def arm_id(self) -> str:
        """The arm's id, which is equal for arms that are the same run."""
        return self.runs[0].spec.arm_id if self.runs else f"died {self.name}"


def with_set(point: Overrides, composer: Composer) -> dict[str, str]:
    """Returns a point's overrides on top of those that its study sets for all arms.

    Raises UsageError for what a study cannot set.
    """
    try:
        common = composer.for_all_arms(point)
        whole = with_own(layered(common, point), composer)
        if common:
            composer.compose(whole)
    except PartDied:
        raise
    except UsageError as error:
        if _is_right(point, composer):
            raise UsageError(f"{point['study']}, set: {error}") from error
        raise
    return whole


def arms_of(
    study: StudySpec, point: Overrides, seeds: Sequence[Overrides], composer: Composer, most: int
) -> list[StudyArm]:
    """Returns the arms in order under each seed: the named arms, then those of the grid.

    A combination of the grid is named by its values, as in `lr=0.1 rate=0.3`. Combinations that are the same run, such as
    `dropout: none` at any rate, are one arm, named by what they have in common. One that is the same run as a named arm is that
    arm. Two named arms may be the same run only in a study with a search, which draws their settings.

    Parameters
    ----------
    study : StudySpec
        As composed with `point`.
    point : mapping
        The overrides of all arms: typed, or set by the study.
    seeds : sequence of mapping
        Overrides for each seed; empty ones if the point has a seed.
    most : int
        The most runs.

    Raises
    ------
    Coincide
        If two named arms are the same run without a search, or if all combinations of the grid are.
    UsageError
        For impossible values, a baseline that is no arm, and more than `most` runs.
    """
    of_grid = math.prod(map(len, study.grid.values())) if study.grid else 0
    sweeps.check_count(len(seeds) * (len(study.arms) + of_grid), most)
    title = point["study"]
    arms = [_arm(StudyArm(name, []), setting, point, seeds, composer) for name, setting in study.arms.items()]
    found: dict[str, StudyArm] = {}
    for arm in arms:
        if (other := found.setdefault(arm.arm_id, arm)) is not arm and study.search is None:
            keys = dict.fromkeys(key for one in study.arms.values() for key in one)
            raise Coincide(
                f"{title}: its arms {other.name} and {arm.name} are the same run with {_told(arm.runs[0].spec)}; give another "
                f"value to one of {', '.join(keys)}"
            )
    combinations = list(_combinations(study.grid))
    for setting, own in zip(combinations, _own_keys(combinations, composer), strict=True):
        arm = _arm(StudyArm(_name(setting, study.grid), [setting]), own, point, seeds, composer)
        if (other := found.setdefault(arm.arm_id, arm)) is arm:
            arms.append(arm)
        elif other.of_grid:
            other.of_grid.append(setting)
    for arm in arms:
        if common := _common(arm.of_grid):
            arm.name = _name(common, study.grid)
    _check_names(title, study, [arm.name for arm in arms])
    return arms


def _told(spec: RunSpec) -> str:
    """Returns a spec's variants and their rates as typed on the command line."""
    if len(spec.variants) == 1:
        return f"dropout={spec.dropout.name} dropout.rate={spec.dropout.rate:g}"
    rates = " ".join(f"dropout.{v.name}.rate={v.rate:g}" for v in spec.variants)
    return f"dropout=[{','.join(v.name for v in spec.variants)}] {rates}"


def layered(lower: Overrides, upper: Overrides) -> dict[str, str]:
    """Returns the lower overrides with the upper ones on top, which win.

    An upper override that chooses a group's option drops the lower settings of that group: `dropout: none` has no use for a
    rate. Epochs replace updates, and vice versa.
    """
    for key, other in ((UPDATES, EPOCHS), (EPOCHS, UPDATES)):
        if upper.get(key, f"{key}=null") != f"{key}=null":
            lower = {k: text for k, text in lower.items() if k != other}
    # There may be several regularizers, and each arm keeps the settings of those that it has.
    chosen = tuple(f"{key.replace('/', '.')}." for key in upper if "." not in key and key != BESIDE)
    kept = {k: text for k, text in lower.items() if k not in upper and not k.replace("/", ".").startswith(chosen)}
    return {**kept, **upper}


def _arm(
    arm: StudyArm, setting: Mapping[str, Any], point: Overrides, seeds: Sequence[Overrides], composer: Composer
) -> StudyArm:
    """Fills in the arm's runs, or the reason why it has none, and returns the arm."""
    try:
        overrides = with_own(layered(point, overrides_of(setting, typed_setting)), composer)
        arm.runs = [composer.compose({**overrides, **seed}) for seed in seeds]
    except PartDied as error:
        arm.died = error
    except UsageError as error:
        raise UsageError(f"{point['study']}, arm {arm.name}: {error}") from error
    return arm


def _is_right(point: Overrides, composer: Composer) -> bool:
    """Returns whether the point can be composed without what its study sets. If so, the study is at fault."""
    try:
        composer.compose(point)
    except UsageError:
        return False
    return True


def _combinations(grid: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yields the combinations of a grid; the last key varies fastest."""
    if grid:
        yield from (dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values()))


def _own_keys(settings: Sequence[Mapping[str, Any]], composer: Composer) -> Iterator[dict[str, Any]]:
    """Yields each combination without the keys of variants that only other combinations have."""
    texts = [{key: typed_setting(key, value) for key, value in setting.items()} for setting in settings]
    for setting, kept in zip(settings, several.without_others(texts, composer.extra), strict=True):
        yield {key: setting[key] for key in kept}


def _name(setting: Mapping[str, Any], grid: Mapping[str, Any]) -> str:
    """Returns a name such as `lr=0.1 rate=0.3`. A key is cut to its last word if no other key of the grid ends with it."""
    last = {key: key.replace("/", ".").rpartition(".")[2] for key in grid}
    short = Counter(last.values())
    return " ".join(f"{last[k] if short[last[k]] == 1 else k}={written(v)}" for k, v in setting.items())


def _common(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the keys and values that all combinations share."""
    first, *rest = settings or [{}]
    return {key: value for key, value in first.items() if all(other[key] == value for other in rest)}


def _check_names(title: str, study: StudySpec, names: Sequence[str]) -> None:
    if len(names) < 2:
        raise Coincide(f"{title}: all combinations of its grid are the same run, and a study compares two arms or more")
    if twice := next((name for name, n in Counter(names).items() if n > 1), None):
        raise UsageError(f"{title}: two arms are called {twice}; rename the one under arms")
    if study.baseline not in names:
        raise UsageError(f"study.baseline={study.baseline}: no arm has this name; {nearest(study.baseline, names)}")
