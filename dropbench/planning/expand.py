"""Expands overrides to the runs that they ask for: each point of a grid, or each arm of a study under each seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dropbench.config import grammar, sweeps, swept
from dropbench.config.compose import Composed, Composer
from dropbench.config.several import OWN_RATES, without_others
from dropbench.config.typed import command, words_of
from dropbench.errors import UsageError
from dropbench.planning.own_rates import with_own
from dropbench.planning.study_arms import arms_of, with_set
from dropbench.process.apart import PartDied

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


class Planned(NamedTuple):
    """A run of a plan. arm: its name in its study. table: the setting id of the baseline with which its study compares it."""

    composed: Composed
    arm: str | None = None
    table: str | None = None


def points(overrides: Sequence[str], composer: Composer, most: int = sweeps.MOST_RUNS) -> list[dict[str, str]]:
    """Returns the points of the grid that these overrides describe, each as simple overrides by key.

    Raises
    ------
    UsageError
        For an override that cannot be parsed, for a key that is given more than once, and for more than `most` points.
    """
    known: dict[tuple[str, ...], dict[str, str]] = {}

    def whole(point: dict[str, str]) -> dict[str, str]:
        if point.get("dropout") != f"dropout={OWN_RATES}":
            return point
        seed = {key: text for key, text in point.items() if key == "seed"}
        but_seed = tuple(text for key, text in point.items() if key != "seed")
        if but_seed not in known:  # what the network drops does not depend on the seed
            known[but_seed] = with_own(point, composer)
        return {**known[but_seed], **seed}

    return without_others(
        list(map(whole, sweeps.expand(_parsed(overrides, composer), composer.options, most))), composer.extra
    )


def one_point(overrides: Sequence[str], composer: Composer) -> dict[str, str]:
    """Returns the overrides of a single run, by key. Raises UsageError for a grid and for a study, which are several runs."""
    parsed = _parsed(overrides, composer)
    for override in parsed:
        if override.is_sweep_override() or (override.key_or_group == "study" and override.value() is not None):
            again = command("sweep", *words_of("--conf", composer.extra), *overrides)
            typed = str(override.input_line)
            raise UsageError(f"{typed}: this is more than one run; type: {again}{swept.decimal(typed)}")
    (point,) = sweeps.expand(parsed, composer.options)
    return with_own(point, composer)


def runs_of(
    point: Mapping[str, str], composer: Composer, most: int = sweeps.MOST_RUNS
) -> tuple[list[Planned], list[PartDied]]:
    """Returns the runs of one point of the grid, and the errors of arms whose code ends its process on import.

    Without a study the point is a single run without a name; with one it is each arm of the study under each seed.

    Raises
    ------
    Coincide
        If two arms of the study are the same run.
    UsageError
        For impossible values, and for more than `most` runs.
    """
    try:
        whole = with_set(point, composer)
        composed = composer.compose(whole)
    except PartDied as error:
        return [], [error]
    if (study := composed.study) is None:
        return [Planned(composed)], []
    seeds: Sequence[Mapping[str, str]] = [{}]
    if "seed" not in point:
        seeds = _seeds(study.seed, composer, most)
    arms = arms_of(study, whole, seeds, composer, most)
    compared = sorted(arms, key=lambda arm: arm.name != study.baseline)  # the baseline first
    table = next((run.spec.setting_id for arm in compared for run in arm.runs), None)
    died = [arm.died for arm in arms if arm.died is not None]
    return [Planned(run, arm.name, table) for arm in arms for run in arm.runs], died


def _seeds(typed: str, composer: Composer, most: int) -> list[dict[str, str]]:
    """Returns the seeds of a study, which its file gives in the syntax of the command line."""
    try:
        return sweeps.expand(grammar.parse([f"seed={typed}"]), composer.options, most)
    except UsageError as error:
        raise UsageError(f"study.seed={typed}: {error}") from error


def _parsed(overrides: Sequence[str], composer: Composer) -> list[Override]:
    parsed = grammar.parse(overrides)

    def takes_list(key: str) -> bool:
        return composer.takes_list(key, parsed)

    for key in (k for k, n in Counter(o.key_or_group for o in parsed).items() if n > 1):
        values = [str(o.input_line).partition("=")[2] for o in parsed if o.key_or_group == key]
        raise UsageError(swept.more_than_once(key, values, takes_list(key)))
    swept.check_sweeps(parsed, takes_list)
    for override in parsed:
        if override.key_or_group == "device" and sweeps.swept(override):  # the device is not part of a run
            typed = str(override.input_line).partition("=")[2]
            raise UsageError(
                f"device={typed}: a grid of devices is not possible; to train on several cards at once, "
                f"write 'device=[{typed}]'"
            )
    return parsed
