"""Several variants of dropout in one arm: the files behind a choice, and the keys of each variant.

A single variant has its keys under `dropout`. Each of several variants has them under its own name, `dropout.locked.rate`, and
its schedule is chosen by `dropout/locked/schedule`; `dropout/schedule` chooses one for all of them. A recipe,
`dropout/recipe/x.yaml`, is a name for several variants with the settings of each.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dropbench.config.options import group_of, options
from dropbench.errors import UsageError
from dropbench.values import written

GROUP, SCHEDULE, RECIPE = "dropout", "dropout/schedule", "dropout/recipe"
OWN_RATES = "own"
"""In place of a variant: what the network itself drops, as `planning.own_rates` finds it. It is no option with a file."""
USUAL = "standard"
"""The variant that conf/config.yaml chooses."""
_CONSTANT = "constant"
"""The schedule that conf/config.yaml chooses."""


def names_of(value: Any) -> list[str]:
    """Returns the options that a choice names, which may be one or a list."""
    return [written(one) for one in (value if isinstance(value, list | tuple) else [value])]


def variants_of(chosen: Sequence[str], extra: Sequence[Path]) -> list[str]:
    """Returns the variants that options of dropout stand for; for a recipe its own. Raises UsageError for a bad recipe."""
    if len(chosen) == 1 and chosen[0] not in options(GROUP, extra) and chosen[0] in options(RECIPE, extra):
        return list(recipe(chosen[0], extra))
    return list(chosen)


def recipe(name: str, extra: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Returns the settings of a recipe by variant, in order.

    Raises
    ------
    UsageError
        If the file is not a mapping of at least two variants to their settings.
    """
    from omegaconf import OmegaConf

    tree: Any = OmegaConf.to_container(OmegaConf.load(options(RECIPE, extra)[name]))
    known = options(GROUP, extra)
    if not isinstance(tree, Mapping) or len(tree) < 2 or not all(variant in known for variant in tree):
        raise UsageError(
            f"dropout/recipe/{name}.yaml: a recipe must name at least two variants, each with its settings below it: "
            "locked: {rate: 0.4}"
        )
    return {str(variant): dict(settings or {}) for variant, settings in tree.items()}


def choices(variants: Sequence[str], schedules: Mapping[str, str]) -> list[str]:
    """Returns overrides with which Hydra composes each variant under its own name.

    schedules: the chosen schedules by their keys, `dropout/schedule` or `dropout/NAME/schedule`.
    """
    made = [f"~{group}" for group in (GROUP, SCHEDULE)]
    for name in variants:
        schedule = schedules.get(f"{GROUP}/{name}/schedule", schedules.get(SCHEDULE, _CONSTANT))
        made += [f"+{GROUP}@{GROUP}.{name}={name}", f"+{SCHEDULE}@{GROUP}.{name}.schedule={schedule}"]
    return made


def set_recipe(tree: Any, name: str, extra: Sequence[Path]) -> None:
    """Sets a recipe's settings in a composed configuration. Raises UsageError for a key that its variant does not have."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    for variant, settings in recipe(name, extra).items():
        for key, value in settings.items():
            try:
                OmegaConf.update(tree, f"{GROUP}.{variant}.{key}", value, merge=True)
            except OmegaConfBaseException as error:
                raise UsageError(f"dropout/recipe/{name}.yaml: {variant} has no key {written(key)}") from error


def nodes(dropout: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the node of each variant in a composed configuration by its key: `dropout`, or for several `dropout.locked`."""
    # The node of a single variant has values that are not mappings, such as its name.
    several = len(dropout) > 1 and all(isinstance(v, Mapping) for v in dropout.values())
    return {f"{GROUP}.{name}": node for name, node in dropout.items()} if several else {GROUP: dropout}


def variant_in(key: str) -> str | None:
    """Returns the second part of a key such as `dropout.locked.rate` or `dropout/locked/schedule`, or None if it has none."""
    if group_of(key) == SCHEDULE:
        parts = key.split("/")
        return parts[1] if len(parts) == 3 else None
    parts = key.split(".")
    return parts[1] if parts[0] == GROUP and len(parts) > 2 else None


def bare(key: str, variant: str) -> str:
    """Converts a key such as `dropout.locked.rate` to `dropout.rate`, for an arm whose only variant is `variant`."""
    return key.replace(f"{GROUP}.{variant}.", f"{GROUP}.", 1).replace(f"{GROUP}/{variant}/", f"{GROUP}/", 1)


def without_others(points: Sequence[Mapping[str, str]], extra: Sequence[Path]) -> list[dict[str, str]]:
    """Returns the points of a grid, or the arms of a study, each without the keys of variants that only others of them have.

    So `dropout=none,[standard,locked] dropout.locked.rate=0.1,0.4` sets the rate only where there is the variant `locked`. The
    key of a variant that no point has stays, so that it is refused.

    Parameters
    ----------
    points : sequence of mapping
        Simple overrides by their keys.
    extra : sequence of Path
        The user's folders of options.
    """
    if not any(variant_in(key) for point in points for key in point):
        return [dict(point) for point in points]
    from dropbench.config.grammar import parse

    have: dict[str, set[str]] = {}

    def variants(point: Mapping[str, str]) -> set[str]:
        text = point.get(GROUP, f"{GROUP}={USUAL}")
        if text not in have:
            (override,) = parse([text])
            chosen = names_of(override.value())
            have[text] = set(variants_of(chosen, extra))
        return have[text]

    anywhere: set[str] = set().union(*map(variants, points))
    return [
        {
            k: text
            for k, text in point.items()
            if (v := variant_in(k)) is None or v in variants(point) or v not in anywhere
        }
        for point in points
    ]


def hint(key: str, value: str, variants: Sequence[str], known: Iterable[str]) -> str | None:
    """Returns what to write in place of a key of `dropout` that an arm with these variants does not have.

    It returns None if there is no such advice, as for a key close to one that the arm has. known: all existing variants.
    """
    if not key.startswith(f"{GROUP}."):
        return None
    named, rest = variant_in(key), key.partition(".")[2]
    if named is not None and named in known and named not in variants:
        both = ",".join((*(v for v in variants if v != "none"), named))
        chosen = both if both == named else f"[{both}]"
        return (
            f"'{key}' is a key of {named}, which is not in dropout={_listed(variants)}; write dropout={chosen}, "
            "or leave it out"
        )
    if len(variants) < 2 or named in variants:
        return None
    return (
        f"'{key}' must name one of the variants; write {' or '.join(f'{GROUP}.{v}.{rest}={value}' for v in variants)}"
    )


def _listed(variants: Sequence[str]) -> str:
    return variants[0] if len(variants) == 1 else f"[{','.join(variants)}]"


def study_of_each(tree: Any, variants: Sequence[str]) -> dict[str, Any]:
    """Returns the chosen study for several variants.

    Where an arm of the study sets `dropout.rate` and the like, it sets them for each variant: to what the study would set if
    this variant were the only one, so that `${half:${dropout.rate}}` is half of each variant's rate. UsageError if anything
    else that it sets depends on a variant, such as the learning rate of an arm.

    Parameters
    ----------
    tree : DictConfig
        The composed settings, in which `dropout` has the settings of each variant under its name.
    """
    from omegaconf import OmegaConf

    alone: dict[str, Any] = {}
    for name in variants:
        one = copy.deepcopy(tree)
        one.dropout = one.dropout[name]
        alone[name] = OmegaConf.to_container(one.study, resolve=True)
    study: dict[str, Any] = alone[variants[0]]
    for arm, settings in (study.get("arms") or {}).items():
        each: dict[str, Any] = {}
        for key, name in itertools.product(settings, variants):
            value = alone[name]["arms"][arm][key]
            of = key if GROUP in settings else _of_variant(key, name, variants)  # an arm may choose a variant itself
            if each.setdefault(of, value) != value:
                raise ambiguous(f"arm {arm} of the study: {key} refers to a setting of dropout", variants)
        study["arms"][arm] = each
    if any(one.get("grid") != study.get("grid") for one in alone.values()):
        raise ambiguous("the grid of the study refers to a setting of dropout", variants)
    return study


def ambiguous(what: str, variants: Sequence[str]) -> UsageError:
    """Returns the error that something refers to a setting of dropout which each of the variants has for itself."""
    return UsageError(
        f"{what}, but dropout={_listed(variants)} has one for each of its variants; choose one variant, or write a study "
        "whose arms set the keys of each variant"
    )


def _of_variant(key: str, name: str, variants: Sequence[str]) -> str:
    """Returns `dropout.NAME.rate` for `dropout.rate`; a key that names a variant, and any other, stays."""
    group, _, rest = key.partition(".")
    return f"{GROUP}.{name}.{rest}" if group == GROUP and rest and rest.partition(".")[0] not in variants else key
