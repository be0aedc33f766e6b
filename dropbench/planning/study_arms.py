"""The arms of a study: those that it names, and the combinations of its grid, each with a name."""

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
from dropbench.process.apart import PartDied
from dropbench.spec import RunSpec
from dropbench.values import written

Overrides = Mapping[str, str]
"""Simple ones, by their keys."""


class Coincide(UsageError):
    """Two arms of a study are the same run."""


@dataclass
class StudyArm:
    """runs: one a seed. of_grid: the combinations that it is; none where the study names it.

    died: why there are no runs, of code that ends its process as soon as it is imported.
    """

    name: str
    of_grid: list[Mapping[str, Any]]
    runs: list[Composed] = field(default_factory=list)
    died: PartDied | None = None

    @property
    def arm_id(self) -> str:
        """What other arms that are the same run have too."""
        return self.runs[0].spec.arm_id if self.runs else f"died {self.name}"


def with_set(point: Overrides, composer: Composer) -> dict[str, str]:
    """A point's overrides upon those that its study sets for all arms.

    Raises UsageError for what a study cannot set.
    """
    try:
        common = composer.for_all_arms(point)
        whole = layered(common, point)
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
    """The arms in order, those of the grid after the others, under each seed.

    A combination of the grid is called by its values, as in `lr=0.1 rate=0.3`. Combinations that are one run, as with
    `dropout: none` at any rate, are one arm, called by what they have in common; one that is the same run as a named arm is
    that arm. Two named arms may be one run only in a study with a search, which draws their settings.

    Parameters
    ----------
    study : StudySpec
        As composed with `point`.
    point : mapping
        What all arms have: typed, or set by the study.
    seeds : sequence of mapping
        As overrides; empty ones where the point has its seed.
    most : int
        How many runs there may be.

    Raises
    ------
    Coincide
        Where two named arms are the same run and no search has made them so, or all combinations of the grid are.
    UsageError
        For values that cannot be, a baseline that is no arm, and for more than `most` runs.
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
    """Its variants and their rates as one types them."""
    if len(spec.variants) == 1:
        return f"dropout={spec.dropout.name} dropout.rate={spec.dropout.rate:g}"
    rates = " ".join(f"dropout.{v.name}.rate={v.rate:g}" for v in spec.variants)
    return f"dropout=[{','.join(v.name for v in spec.variants)}] {rates}"


def layered(lower: Overrides, upper: Overrides) -> dict[str, str]:
    """Overrides with others that win over them.

    One that chooses an option of a group starts that group afresh: `dropout: none` has no use for a rate. Epochs stand in place
    of updates, and the other way round.
    """
    for key, other in ((UPDATES, EPOCHS), (EPOCHS, UPDATES)):
        if upper.get(key, f"{key}=null") != f"{key}=null":
            lower = {k: text for k, text in lower.items() if k != other}
    # Of regularizers there are several, and each arm takes what is said of those that it has.
    chosen = tuple(f"{key.replace('/', '.')}." for key in upper if "." not in key and key != BESIDE)
    kept = {k: text for k, text in lower.items() if k not in upper and not k.replace("/", ".").startswith(chosen)}
    return {**kept, **upper}


def _arm(
    arm: StudyArm, setting: Mapping[str, Any], point: Overrides, seeds: Sequence[Overrides], composer: Composer
) -> StudyArm:
    """The arm with its runs, or with why it has none."""
    try:
        overrides = layered(point, overrides_of(setting, typed_setting))
        arm.runs = [composer.compose({**overrides, **seed}) for seed in seeds]
    except PartDied as error:
        arm.died = error
    except UsageError as error:
        raise UsageError(f"{point['study']}, arm {arm.name}: {error}") from error
    return arm


def _is_right(point: Overrides, composer: Composer) -> bool:
    """Whether it could be composed without what its study sets, so that the fault lies there."""
    try:
        composer.compose(point)
    except UsageError:
        return False
    return True


def _combinations(grid: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """The last key varies fastest. Nothing without a grid."""
    if grid:
        yield from (dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values()))


def _own_keys(settings: Sequence[Mapping[str, Any]], composer: Composer) -> Iterator[dict[str, Any]]:
    """Each without the keys of variants that only others of them have."""
    texts = [{key: typed_setting(key, value) for key, value in setting.items()} for setting in settings]
    for setting, kept in zip(settings, several.without_others(texts, composer.extra), strict=True):
        yield {key: setting[key] for key in kept}


def _name(setting: Mapping[str, Any], grid: Mapping[str, Any]) -> str:
    """`lr=0.1 rate=0.3`: keys by their last word, where no other key of the grid ends with it."""
    last = {key: key.replace("/", ".").rpartition(".")[2] for key in grid}
    short = Counter(last.values())
    return " ".join(f"{last[k] if short[last[k]] == 1 else k}={written(v)}" for k, v in setting.items())


def _common(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all of several combinations say alike."""
    first, *rest = settings or [{}]
    return {key: value for key, value in first.items() if all(other[key] == value for other in rest)}


def _check_names(title: str, study: StudySpec, names: Sequence[str]) -> None:
    if len(names) < 2:
        raise Coincide(f"{title}: all combinations of its grid are the same run, and a study compares two arms or more")
    if twice := next((name for name, n in Counter(names).items() if n > 1), None):
        raise UsageError(f"{title}: two arms are called {twice}; rename the one under arms")
    if study.baseline not in names:
        raise UsageError(f"study.baseline={study.baseline}: no arm is called that; {nearest(study.baseline, names)}")
