"""What a diagnosis proposes to run: stored configurations with one thing changed. Nothing here judges."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from dropbench import identity
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.interval import MIN_PAIRS
from dropbench.report.tables.comparison import Config
from dropbench.values import number

FIRST_LOOK = 10
"""Seeds to have in all where there are too few for any verdict: as many as the three-arm study runs."""
MOST = 0.9
"""A rate above this is not proposed."""


def same_sites(config: Config, configs: Mapping[str, Config], labels: Sequence[str]) -> list[str]:
    """The arms that are this one but for the size of its rates; itself among them."""
    return [o for o in labels if _but_rates(configs[o]) == _but_rates(config)]


def same_rates(a: Config, b: Config) -> bool:
    """Whether two arms are the same but for where they act: one common rate, or one rate for each site that is named."""
    return _but_placement(a) == _but_placement(b) and not identity.drops_nothing(a)


def placement(config: Config) -> tuple[str, ...]:
    """Where an arm acts, as its settings say it."""
    found: list[str] = []
    for variant in identity.variants(config):
        found += [str(variant.get("placement")), *_named(variant)]
    return tuple(found)


def weaker(config: Config, there: Mapping[str, Config]) -> tuple[Config | None, list[str]]:
    """The arm at half its rate, halved on while that is among the arms already; and those arms. None without a rate."""
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
    """The arm at half and at one and a half times its rate, but for what is there already."""
    known = [_arm(c) for c in (*there, config)]
    beside = [_scaled(config, factor) for factor in (0.5, 1.5)]
    return [c for c in beside if _arm(c) not in known and max(_rates(c), default=0.0) <= MOST]


def longer(config: Config) -> Config:
    """For twice as many epochs, or updates."""
    unit = "epochs" if config["train"].get("updates") is None else "updates"
    return _with(config, unit, 2 * config["train"][unit])


def faster(config: Config) -> Config:
    """With twice the learning rate."""
    return _with(config, "lr", _rounded(2 * config["train"]["lr"]))


def gentler(config: Config) -> Config:
    """With half the learning rate."""
    return _with(config, "lr", _rounded(config["train"]["lr"] / 2))


def much_gentler(config: Config) -> Config:
    """With a tenth of the learning rate."""
    return _with(config, "lr", _rounded(config["train"]["lr"] / 10))


def clipped(config: Config, norms: Sequence[float]) -> Config | None:
    """With the gradient clipped at the median of these norms; None where it is clipped already."""
    if config["train"].get("grad_clip") is not None:
        return None
    return _with(config, "grad_clip", float(f"{median(norms):.1g}") if norms and median(norms) > 0 else 1.0)


def more_seeds(undecided: Sequence[Contrast], most: int) -> tuple[int, list[bool]]:
    """How many more seeds settle each of these that `most` in all can settle, and which those are; 0 where it is none.

    With too few for any verdict, up to ten in all.
    """
    pairs = max(c.difference.pairs for c in undecided)
    if pairs < MIN_PAIRS:
        return FIRST_LOOK - pairs, [True] * len(undecided)
    needed = [c.seeds_needed.likely for c in undecided]
    reached = [n <= most for n in needed]
    return int(max((n for n in needed if n <= most), default=pairs)) - pairs, reached


def _rates(config: Config) -> list[float]:
    """The common rates and those of sites; empty for an arm without noise, and where the variant learns its own."""
    acting = [v for v in identity.variants(config) if v["name"] != "none"]
    values = [rate for v in acting for rate in (v.get("rate"), *(v.get("rates") or {}).values())]
    return [r for v in values if (r := number(v)) is not None]


def _scaled(config: Config, factor: float) -> Config:
    """With every rate multiplied; the same where it has none."""
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
    """The sites to which a variant's `rates` give one above 0."""
    return sorted(site for site, rate in (variant.get("rates") or {}).items() if rate)
