"""Runs stored arms again under fresh seeds, so that the reported seeds are not those by which a strength was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dropbench import identity
from dropbench.errors import UsageError
from dropbench.planning.plan import make
from dropbench.planning.reproduce import NOT_SET, leaves, overrides
from dropbench.seeds import typed

if TYPE_CHECKING:
    from dropbench.config.compose import Composer
    from dropbench.planning.plan import Plan


def plan(
    baseline: str, arms: Mapping[str, Mapping[str, Any]], seeds: range, places: Sequence[str], composer: Composer
) -> tuple[Plan, list[list[str]]]:
    """Returns the runs of these arms as one plan, and the overrides of each sweep that it consists of.

    Parameters
    ----------
    baseline : str
        The arm with which the others are compared.
    arms : mapping of str to mapping
        The stored configuration of one run of each arm, by the arm's name.
    seeds : range
        The fresh seeds.
    places : sequence of str
        The overrides for the folder of results and the folder of data.
    composer : Composer
        Knows the user's folders of options.

    Raises
    ------
    UsageError
        If an arm cannot be composed as it was: an option is gone, or its defaults or version have changed since.
    """
    commands = [[*overrides(config, composer.extra), typed(seeds), *places] for config in arms.values()]
    parts = [make(command, composer) for command in commands]
    for (name, config), part in zip(arms.items(), parts, strict=True):
        now, then = (_settings(c) for c in (part.specs[0].as_dict(), config))
        # null is the same as absent
        if changed := sorted(key for key in now.keys() | then.keys() if now.get(key) != then.get(key)):
            raise UsageError(
                f"--confirm: {name} cannot be repeated, because {', '.join(changed[:3])} has changed since; "
                "run its sweep again first"
            )
    of_arms = dict(zip(arms, parts, strict=True))
    whole = replace(
        parts[0],
        question=f"Does what was chosen hold under the seeds {seeds.start}-{seeds.stop - 1}?",
        baseline=baseline,
        specs=tuple({s.run_id: s for part in parts for s in part.specs}.values()),
        tables={
            of_arms[baseline].specs[0].setting_id: {name: [s.run_id for s in p.specs] for name, p in of_arms.items()}
        },
        outlines={run: outline for part in parts for run, outline in part.outlines.items()},
        unplanned=tuple(reason for part in parts for reason in part.unplanned),
        failed={run: reason for part in parts for run, reason in part.failed.items()},
        overrides=tuple(text for command in commands for text in command),
    )
    return whole, commands


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that affect training: without metrics, and without the name of a variant that drops nothing."""
    idle = ("dropout.",) if identity.drops_nothing(config) else ()
    return {k: value for k, value in leaves(config, NOT_SET[:1]).items() if not k.startswith(("metric.", *idle))}
