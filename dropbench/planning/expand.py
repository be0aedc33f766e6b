"""From overrides to the runs that they ask for: each point of the grid, or each arm of a study under each seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dropbench.config import grammar, sweeps
from dropbench.config.compose import Composed, Composer
from dropbench.config.paths import PATHS
from dropbench.config.typed import command, words_of
from dropbench.config.typed import setting as typed_setting
from dropbench.errors import UsageError
from dropbench.process.apart import PartDied

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


class Coincide(UsageError):
    """Two arms of a study are the same run."""


def points(overrides: Sequence[str], composer: Composer, most: int = sweeps.MOST_RUNS) -> list[dict[str, str]]:
    """The points of the grid that these overrides make, each as simple overrides by key.

    Raises
    ------
    UsageError
        For an override that cannot be read, for a key that is given more than once, and for more than `most` points.
    """
    return sweeps.expand(_parsed(overrides), composer.options, most)


def one_point(overrides: Sequence[str], composer: Composer) -> dict[str, str]:
    """The same of one run. Raises UsageError for a grid and for a study, which are several."""
    parsed = _parsed(overrides)
    for override in parsed:
        if override.is_sweep_override() or (override.key_or_group == "study" and override.value() is not None):
            again = command("sweep", *words_of("--conf", composer.extra), *overrides)
            raise UsageError(f"{override.input_line}: that is more than one run; type: {again}")
    (point,) = sweeps.expand(parsed, composer.options)
    return point


def runs_of(
    point: Mapping[str, str], composer: Composer, most: int = sweeps.MOST_RUNS
) -> list[tuple[str | None, Composed | PartDied]]:
    """The runs of one point of the grid: itself, without a name, or each arm of its study under each seed.

    In place of one whose code ends its process as soon as it is imported stands the error that says so.

    Raises
    ------
    Coincide
        Where two arms of the study are the same run.
    UsageError
        For values that cannot be, and for more than `most` runs.
    """
    try:
        composed = composer.compose(point)
    except PartDied as error:
        return [(None, error)]
    if composed.study is None:
        return [(None, composed)]
    seeds: Sequence[Mapping[str, str]] = [{}]
    if "seed" not in point:
        seeds = _seeds(composed.study.seed, composer, most)
    sweeps.check_count(len(seeds) * len(composed.study.arms), most)
    runs: list[tuple[str | None, Composed | PartDied]] = []
    by_id: dict[str, str] = {}
    for name, setting in composed.study.arms.items():
        if "study" in setting:
            raise UsageError(f"{point['study']}, arm {name}: 'study' is no key of an arm, which is a part of one")
        overrides = _with_arm(point, setting)
        try:
            repeated = [composer.compose({**overrides, **seed}) for seed in seeds]
        except PartDied as error:
            runs.append((name, error))
            continue
        except UsageError as error:
            raise UsageError(f"{point['study']}, arm {name}: {error}") from error
        runs.extend((name, run) for run in repeated)
        first = repeated[0].spec
        if (other := by_id.setdefault(first.arm_id, name)) != name:
            keys = dict.fromkeys(key for arm in composed.study.arms.values() for key in arm)
            raise Coincide(
                f"{point['study']}: its arms {other} and {name} are the same run with dropout={first.dropout.name} "
                f"dropout.rate={first.dropout.rate:g}; give another value to one of {', '.join(keys)}"
            )
    return runs


def _seeds(typed: str, composer: Composer, most: int) -> list[dict[str, str]]:
    """The seeds of a study, which its file writes as one types them."""
    try:
        return sweeps.expand(grammar.parse([f"seed={typed}"]), composer.options, most)
    except UsageError as error:
        raise UsageError(f"study.seed={typed}: {error}") from error


def _parsed(overrides: Sequence[str]) -> list[Override]:
    parsed = grammar.parse(overrides)
    repeated = [k for k, n in Counter(o.key_or_group for o in parsed).items() if n > 1]
    if repeated:
        raise UsageError(f"'{repeated[0]}' is given more than once; write several values as {repeated[0]}=a,b")
    return parsed


def _with_arm(point: Mapping[str, str], setting: Mapping[str, Any]) -> dict[str, str]:
    """A point's overrides with those of a study's arm.

    An arm that chooses an option of a group starts that group afresh: `dropout: none` has no use for a rate.
    """
    arm = {key: f"{key}={value}" if key in PATHS else typed_setting(key, value) for key, value in setting.items()}
    chosen = tuple(f"{key.replace('/', '.')}." for key in arm if "." not in key)
    kept = {k: text for k, text in point.items() if k not in arm and not k.replace("/", ".").startswith(chosen)}
    return kept | arm
