"""What a record repeats from its configuration, so that a reader need not look into `conf/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from dropbench import identity

Tree = Mapping[str, Any]
_HOW = ("direction", "range", "unit", "region")
OF_MODES = ("mc_", "arithmetic_", "geometric_")
"""Prefixes that `eval.mode` puts before the name of a metric that is computed from averaged predictions."""
SPREADS = {"mc_*_sd": "", "mc_entropy": "nats", "mc_mutual_information": "nats"}
"""Units of the numbers that eval.mode=mc adds. For none of them is higher or lower better."""


def measures(names: Iterable[str], declared: Mapping[str, Tree], task: str = "classify") -> dict[str, dict[str, Any]]:
    """Returns how to read each number: direction, range, unit, region and version, by its name without the part.

    Parameters
    ----------
    names : Iterable
        Names of a record's metrics: `test_accuracy`, `gap_loss`.
    declared : Mapping
        What each metric's YAML declares, by the metric's name. `also` declares the same for other names that the metric
        returns, by pattern, and `of_task` for its own name when a model is trained for that task.
    task : str
        What the model is trained for.
    """
    declared = {name: {**node, **(node.get("of_task") or {}).get(task, {})} for name, node in declared.items()}
    bases = dict.fromkeys(name.partition("_")[2] for name in names)
    return {base: _measure(base, declared) for base in bases}


def variants(config: Tree, rates: Mapping[str, float]) -> list[dict[str, Any]]:
    """Returns name, version and rates by site of each of an arm's variants. rates: by label, as in a record."""
    found = identity.variants(config)
    return [
        {"name": v.get("name"), "version": v.get("version", 1), "rates": own_rates(v, rates, several=len(found) > 1)}
        for v in found
    ]


def own_rates(variant: Tree, rates: Mapping[str, float], *, several: bool) -> dict[str, float]:
    """Returns the rates of one variant by site. If there are several variants, their labels are `site/variant`."""
    ending = f"/{variant.get('name')}"
    return {s.removesuffix(ending): r for s, r in rates.items() if s.endswith(ending)} if several else dict(rates)


def regularizers(config: Tree) -> list[dict[str, Any]]:
    """Returns name and strength of each regularizer other than dropout that is on."""
    return [{"name": name, "strength": strength} for name, strength in identity.regularizers(config)]


def _measure(name: str, declared: Mapping[str, Tree]) -> dict[str, Any]:
    if (declaration := _declared(name, declared)) is not None:
        return declaration
    for pattern, unit in SPREADS.items():
        if fnmatchcase(name, pattern):
            return {"range": (0.0, None), "unit": unit}
    for prefix in OF_MODES:
        if name.startswith(prefix) and (declaration := _declared(name.removeprefix(prefix), declared)) is not None:
            return declaration
    return {}


def _declared(name: str, declared: Mapping[str, Tree]) -> dict[str, Any] | None:
    if name in declared:
        return _told(declared[name], declared[name])
    for metric in declared.values():
        for pattern, told in (metric.get("also") or {}).items():
            if fnmatchcase(name, pattern):
                return _told(told, metric)
    return None


def _told(node: Tree, metric: Tree) -> dict[str, Any]:
    return {**{key: node[key] for key in _HOW if key in node}, "version": metric.get("version", 1)}
