"""The runs that a diagnosis proposes: stored configurations with one setting changed, or with more seeds."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from dropbench import identity
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.interval import MIN_PAIRS
from dropbench.report.tables.comparison import Config
from dropbench.report.tables.enough import settles, too_many
from dropbench.values import number

FIRST_LOOK = 10
"""The number of seeds to have in all if there are too few for any verdict: as many as the three-arm study runs."""
MANY_SEEDS = 100
"""The most seeds in all that are proposed. An effect that needs more is small compared with the spread over seeds."""
MOST = 0.9
"""A rate above this is not proposed."""


def same_sites(config: Config, configs: Mapping[str, Config], labels: Sequence[str]) -> list[str]:
    """Return the arms, including this one, that differ from this one at most in the size of their rates."""
    return [o for o in labels if _but_rates(configs[o]) == _but_rates(config)]


def same_rates(a: Config, b: Config) -> bool:
    """Return whether two arms differ only in where they act: they have one common rate, or the same rates at other sites."""
    return _but_placement(a) == _but_placement(b) and not identity.drops_nothing(a)


def placement(config: Config) -> tuple[str, ...]:
    """Return where an arm acts, as its settings name it."""
    found: list[str] = []
    for variant in identity.variants(config):
        found += [str(variant.get("placement")), *_named(variant)]
    return tuple(found)


def weaker(config: Config, there: Mapping[str, Config]) -> tuple[Config | None, list[str]]:
    """Return the arm at half its rate, and the labels of arms passed over: the rate is halved again while such an arm exists.

    The first value is None if the arm has no rate, or if eight halvings find no new arm.
    """
    passed: list[str] = []
    for _ in range(8):
        config, before = _scaled(config, 0.5), config
        if config == before:
            break
        known = [label for label, other in there.items() if _arm(other) == _arm(config)]
        if not known:
            return config, passed
        passed += known
    return None, passed


def other_rates(config: Config, there: Sequence[Config]) -> list[Config]:
    """Return the arm at half and at one and a half times its rate, except for arms that exist already."""
    known = [_arm(c) for c in (*there, config)]
    beside = [_scaled(config, factor) for factor in (0.5, 1.5)]
    return [c for c in beside if _arm(c) not in known and max(_rates(c), default=0.0) <= MOST]


def longer(config: Config) -> Config:
    """Return the configuration with twice as many epochs, or updates."""
    unit = "epochs" if config["train"].get("updates") is None else "updates"
    return _with(config, unit, 2 * config["train"][unit])


def faster(config: Config) -> Config:
    """Return the configuration with twice the learning rate."""
    return _with(config, "lr", _rounded(2 * config["train"]["lr"]))


def gentler(config: Config) -> Config:
    """Return the configuration with half the learning rate."""
    return _with(config, "lr", _rounded(config["train"]["lr"] / 2))


def much_gentler(config: Config) -> Config:
    """Return the configuration with a tenth of the learning rate."""
    return _with(config, "lr", _rounded(config["train"]["lr"] / 10))


def clipped(config: Config, norms: Sequence[float]) -> Config | None:
    """Return the configuration with the gradient clipped at the median of these norms; None if it is clipped already."""
    if config["train"].get("grad_clip") is not None:
        return None
    return _with(config, "grad_clip", float(f"{median(norms):.1g}") if norms and median(norms) > 0 else 1.0)


def more_seeds(undecided: Sequence[Contrast], most: int) -> tuple[int, list[bool]]:
    """Return how many more seeds settle every contrast that `most` seeds can settle, and which contrasts those are.

    If there are too few pairs for any verdict, it proposes ten seeds in all.
    """
    pairs = max(c.difference.pairs for c in undecided)
    if pairs < MIN_PAIRS:
        return FIRST_LOOK - pairs, [True] * len(undecided)
    needed = [c.seeds_needed.likely for c in undecided]
    reached = [n <= most for n in needed]
    return int(max((n for n in needed if n <= most), default=pairs)) - pairs, reached


def best_mean(contrasts: Mapping[str, Contrast]) -> str:
    """Return the arm with the best mean."""
    return max(contrasts, key=lambda label: contrasts[label].measure.direction * contrasts[label].difference.mean)


def it_would_take(undecided: Mapping[str, Contrast]) -> tuple[str, bool]:
    """Return how many seeds would settle the contrast with the best mean, and whether that is a number of seeds at all."""
    known = {label: c for label, c in undecided.items() if not math.isnan(c.seeds_needed.even)}
    if not known:
        return "ranks decide here, and how many seeds that would take is not known", False
    arm = best_mean(known)
    even, likely = known[arm].seeds_needed
    if math.isinf(even):
        return f"it would take {too_many()}", False
    sure = f", and {likely:,.0f} with four chances in five" if math.isfinite(likely) else ""
    return f"{settles(known[arm], arm)}{sure}", True


def _rates(config: Config) -> list[float]:
    """Return the common rates and those of sites; empty for an arm without noise, and for a variant that learns its rates."""
    acting = [v for v in identity.variants(config) if v["name"] != "none"]
    values = [rate for v in acting for rate in (v.get("rate"), *(v.get("rates") or {}).values())]
    return [r for v in values if (r := number(v)) is not None]


def _scaled(config: Config, factor: float) -> Config:
    """Return the configuration with every rate multiplied; unchanged if it has no rate."""
    if not any(_rates(config)):
        return config
    changed: dict[str, Any] = copy.deepcopy(dict(config))
    for variant in changed["dropout"] if isinstance(changed["dropout"], list) else [changed["dropout"]]:
        if number(variant.get("rate")) is not None:
            variant["rate"] = _rounded(factor * variant["rate"])
        variant["rates"] = {site: _rounded(factor * rate) for site, rate in (variant.get("rates") or {}).items()}
    return changed


def _with(config: Config, key: str, value: object) -> Config:
    changed: dict[str, Any] = copy.deepcopy(dict(config))
    changed["train"][key] = value
    return changed


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _arm(config: Config) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "seed"}


def _but_rates(config: Config) -> dict[str, Any]:
    bare = [_without(v, "rate", "rates") | {"sites": _named(v)} for v in identity.variants(config)]
    return _arm(config) | {"dropout": bare}


def _but_placement(config: Config) -> dict[str, Any]:
    bare = [
        _without(v, "placement", "rates") | {"sizes": sorted(r for r in (v.get("rates") or {}).values() if r)}
        for v in identity.variants(config)
    ]
    return _arm(config) | {"dropout": bare}


def _without(variant: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {k: v for k, v in variant.items() if k not in keys}


def _named(variant: Mapping[str, Any]) -> list[str]:
    """Return the sites to which a variant's `rates` give a rate above 0."""
    return sorted(site for site, rate in (variant.get("rates") or {}).items() if rate)
