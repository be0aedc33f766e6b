"""Stored arms once more under fresh seeds, so that the seeds that chose a rate are not those that report it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dropbench.config import flat
from dropbench.errors import UsageError
from dropbench.overrides import written
from dropbench.plan import make

if TYPE_CHECKING:
    from dropbench.config import Composer
    from dropbench.plan import Plan

BLOCK = 1000
_NOT_SET = ("name", "_target_", "version")
"""Last parts of keys that come with the option that is chosen."""

_DEFAULTS = {
    "model": "mlp",
    "data": "digits",
    "dropout/schedule": "constant",
    "train": "default",
    "metric": "[loss, accuracy]",
}
"""Options that go without saying; the variant is always said."""


def fresh(seeds: Sequence[int]) -> range:
    """As many seeds as were used, from the next thousand on: 0-9 gives 1000-1009, which gives 2000-2009."""
    start = BLOCK * (max(seeds) // BLOCK + 1)
    return range(start, start + len(seeds))


def again(config: Mapping[str, Any], seeds: range, results: str, composer: Composer) -> list[str]:
    """What to type after `dropbench sweep` for a stored arm under these seeds: what differs from the options' defaults.

    config: of one of its records. Raises UsageError for an option that is no longer there.
    """
    words = {
        "model": str(config["model"]["name"]),
        "data": str(config["data"]["name"]),
        "dropout": str(config["dropout"]["name"]),
        "dropout/schedule": str(config["dropout"].get("schedule", {}).get("name", "constant")),
        "train": str(config["train"].get("name", "default")),
        "metric": written(list(config["metric"])),
    }
    usual = composer.compose({key: f"{key}={value}" for key, value in words.items()}).spec.as_dict()
    there, here = _leaves(usual), _leaves(config)
    shortest = {key: value for key, value in words.items() if value != _DEFAULTS.get(key)}
    shortest |= {key: _typed(value) for key, value in here.items() if there.get(key, ...) != value}
    return [
        *(f"{key}={value}" for key, value in shortest.items()),
        f"seed=range({seeds.start},{seeds.stop})",
        f"results={results}",
    ]


def plan(
    baseline: str, arms: Mapping[str, Mapping[str, Any]], seeds: range, results: str, composer: Composer
) -> tuple[Plan, list[list[str]]]:
    """The runs of these arms (each a stored config) as one plan, and the words of the sweeps that it is made of.

    Raises UsageError where an arm cannot be composed as it was: an option's defaults or version have changed since.
    """
    commands = [again(config, seeds, results, composer) for config in arms.values()]
    parts = [make(words, composer) for words in commands]
    for (name, config), part in zip(arms.items(), parts, strict=True):
        now, then = _leaves(part.specs[0].as_dict(), _NOT_SET[:1]), _leaves(config, _NOT_SET[:1])
        if changed := sorted(key for key in now.keys() | then.keys() if now.get(key, ...) != then.get(key, ...)):
            raise UsageError(
                f"--confirm: {name} cannot be run as it was, since {', '.join(changed[:3])} would be another; "
                "run its sweep again first"
            )
    whole = replace(
        parts[0],
        question=f"Does the rate that was chosen hold under the seeds {seeds.start}-{seeds.stop - 1}?",
        baseline=baseline,
        specs=tuple({s.run_id: s for part in parts for s in part.specs}.values()),
        arms={name: [s.run_id for s in part.specs] for name, part in zip(arms, parts, strict=True)},
        outlines={run: found for part in parts for run, found in part.outlines.items()},
        overrides=tuple(word for words in commands for word in words),
    )
    return whole, commands


def _leaves(config: Mapping[str, Any], but: Sequence[str] = _NOT_SET) -> dict[str, Any]:
    """What of a configuration one could have set, by its key; rates are one value, since sites have dots of their own."""
    whole = {"dropout.rates": dict(config["dropout"].get("rates") or {})}
    rest = flat({**config, "dropout": {k: v for k, v in config["dropout"].items() if k != "rates"}})
    found = {key: value for key, value in rest.items() if key.rpartition(".")[2] not in but and key != "seed"}
    return {key: value for key, value in (found | whole).items() if not key.startswith("metric.")}


def _typed(value: Any) -> str:
    """A value as it is typed; the names of sites quoted, which may be patterns."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{key}": {_typed(v)}' for key, v in value.items()) + "}"
    if isinstance(value, list | tuple) and any(isinstance(v, str) for v in value):
        return "[" + ", ".join(f'"{v}"' if isinstance(v, str) else _typed(v) for v in value) + "]"
    return written(value)
