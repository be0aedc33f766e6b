"""Finds parts of a record that do not follow from its other parts, or are impossible.

Records have no signature, so one that was invented consistently is believed. One that was edited, cut short or written by
faulty code is not: otherwise it could report an accuracy of 114 %, or dropout as `none`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from dropbench import identity
from dropbench.store import derived, migrate
from dropbench.store.record import SCHEMA, Measure, Record

NONE = "none"
"""The variant that drops nothing."""
CERTAIN = ("accuracy", "loss")
"""Metrics that are finite in every completed run. Another metric may be NaN, such as one of a layer without units."""
PERCENT = "percent"
_ROUNDING = 1e-5
_REGION = re.compile(r"\d+(\.\d*)?(pp|%)?")
_LARGEST = 2**63
_MOST_HASHED = 4096
_hashed: dict[str, tuple[str, str]] = {}
"""Cache: the hashes of arms, by the JSON text of what is hashed."""


def wrong_id(record: Record) -> str | None:
    """Returns why a record's ids and seed do not belong to its configuration, or None."""
    told = {"run_id": record.run_id, "arm_id": record.arm_id, "setting_id": record.setting_id}
    follows = identity.under(_hashes(record), record.config.get("seed"))
    for name, value in told.items():
        if value != follows[name]:
            return f"its {name} does not match its content (which gives {follows[name]}), so the record was changed"
    if record.config.get("seed") != record.seed:
        return f"its seed is {record.seed} and that of its configuration {record.config.get('seed')}, so the record was changed"
    return None


def _hashes(record: Record) -> tuple[str, str]:
    """Returns the hashes of the record's setting and arm, from a cache if possible.

    The seeds of an arm are mostly read one after the other, and making the key takes a fifth of the time of hashing.
    """
    but_seed = {key: value for key, value in record.config.items() if key != "seed"}
    text = json.dumps([but_seed, record.data_fingerprint, record.sources])
    if text not in _hashed:
        if len(_hashed) >= _MOST_HASHED:
            _hashed.clear()
        _hashed[text] = identity.arm_hashes(record.config, record.data_fingerprint, record.sources)
    return _hashed[text]


def contradiction(record: Record) -> str | None:
    """Returns the first contradiction in a record, as half a sentence, or None if it is consistent.

    Raises TypeError, AttributeError, KeyError or ValueError if its configuration is not one of dropbench's.
    """
    checks: tuple[Callable[[Record], Iterator[str]], ...] = (
        _shape,
        _counts,
        _epochs,
        _rates,
        _derived,
        _measures,
        _metrics,
    )
    return next((wrong for check in checks for wrong in check(record)), None)


def _shape(record: Record) -> Iterator[str]:
    """Checks what later readers assume of a configuration."""
    names = [variant.get("name") for variant in identity.variants(record.config)]
    if not names or len(set(names)) < len(names):
        yield "its configuration has no variant, or one variant twice"
    for variant in identity.variants(record.config):
        rates, placement = variant.get("rates") or {}, variant.get("placement")
        if not isinstance(rates, Mapping) or not all(map(_is_rate, (*rates.values(), variant.get("rate") or 0))):
            yield "a rate in its configuration is not a number in [0, 1)"
        if not (placement is None or isinstance(placement, str) or all(isinstance(p, str) for p in placement)):
            yield "the placement in its configuration is not a list of sites"
    if not 0 <= record.seed < _LARGEST or type(record.config.get("seed")) is not int:
        yield f"its seed {str(record.seed)[:30]} is not a possible seed"


def _counts(record: Record) -> Iterator[str]:
    for value, unit in ((record.seconds, "seconds"), (record.peak_memory_mb, "MB of memory")):
        if value is not None and not 0 <= value < math.inf:
            yield f"it took {value:g} {unit}"
    for name, share in record.test_classes.items():
        if not 0 < share <= 1:
            yield f"its share '{name[:30]}' of the test examples is {share:g}"
    least = {"threads": 1, "cohort_size": 1}
    whole = {"epochs_run": record.epochs_run, "parameters": record.parameters, **record.n}
    for name, n in {**whole, "threads": record.threads, "cohort_size": record.cohort_size}.items():
        if n is not None and not least.get(name, 0) <= n < _LARGEST:
            yield f"its {name} is {str(n)[:30]}"
    try:
        datetime.fromisoformat(record.started)
    except ValueError:
        yield "its start time cannot be read"


def _epochs(record: Record) -> Iterator[str]:
    asked, chosen = record.config["train"].get("epochs"), record.chosen_epoch
    if isinstance(asked, int) and record.epochs_run > asked:
        yield f"it ran {record.epochs_run} epochs and its configuration says {asked}"
    if chosen is not None and not 1 <= chosen <= record.epochs_run:
        yield f"its chosen epoch is {chosen} of {record.epochs_run}"
    if record.status == "completed" and chosen is None:
        yield "it completed and has no chosen epoch"
    if record.status == "completed" and not all(record.n.values()):
        yield "it completed although one of its parts has no examples"


def _rates(record: Record) -> Iterator[str]:
    for site, rate in record.rates.items():
        if not _is_rate(rate):
            yield f"its rate at {site} is {rate:g}, and a rate is in [0, 1)"
    for site, rate in record.learned_rates.items():
        if not 0 <= rate <= 1:
            yield f"its learned rate at {site} is {rate:g}"
    variants = identity.variants(record.config)
    if all(v.get("name") == NONE for v in variants) and any(record.rates.values()):
        yield "its variant is none and it has a rate above 0"
    if record.schema >= SCHEMA:
        yield from _rates_of(variants, record)


def _rates_of(variants: list[Mapping[str, Any]], record: Record) -> Iterator[str]:
    """Checks that each rate by site can be one of a variant's."""
    several = len(variants) > 1
    for variant in variants:
        most = max([variant.get("rate") or 0, *(variant.get("rates") or {}).values()])
        for site, rate in derived.own_rates(variant, record.rates, several=several).items():
            if rate > most + _ROUNDING:
                yield f"its rate at {site} is {rate:g}, and the highest rate in its configuration is {most:g}"
    endings = tuple(f"/{v.get('name')}" for v in variants)
    for label in (*record.rates, *record.learned_rates) if several else ():
        if not label.endswith(endings):
            yield f"its rate at {label} belongs to none of its variants"


def _derived(record: Record) -> Iterator[str]:
    """Checks the fields that are stored although they follow from the configuration."""
    if [asdict(v) for v in record.variants] != derived.variants(record.config, record.rates):
        yield "its variants are not those of its configuration"
    if [asdict(r) for r in record.regularizers] != derived.regularizers(record.config):
        yield "its regularizers are not those of its configuration"
    model = record.config["model"]
    own = str(model.get("_target_", "")).startswith(identity.OWN)
    task = migrate.TASKS.get(str(model.get("name"))) if own and model.get("version", 1) == 1 else None
    if task is not None and record.task != task:
        yield f"its task is {record.task}, and the task of its model is {task}"


def _measures(record: Record) -> Iterator[str]:
    known = _known(record)
    for name, measure in record.measures.items():
        low, high = measure.range
        if low is not None and high is not None and not low < high:
            yield f"the range of its {name} is empty"
        region = _REGION.fullmatch(measure.region)
        if region is None or (region[2] == "pp" and measure.unit != PERCENT):
            yield f"its {name} has a region of equivalence that cannot be read"
        if measure.version < 1:
            yield f"its {name} has version {measure.version}"
        if name in known and (known[name].direction, known[name].unit) != (measure.direction, measure.unit):
            yield f"it declares {name} as {measure.direction} and in {measure.unit or 'no unit'}, which is wrong"


def _metrics(record: Record) -> Iterator[str]:
    known = _known(record)
    for name, value in record.metrics.items():
        part, _, metric = name.partition("_")
        for measure in (record.measures.get(metric), known.get(metric)):
            if measure is not None and not _possible(value, measure, part):
                yield f"its {name} is {value:g}, and {_bounds(measure, part)}"
        if record.status == "completed" and metric in CERTAIN and not math.isfinite(value):
            yield f"it completed and its {name} is {value:g}"
    for name, gap in record.metrics.items():
        part, _, metric = name.partition("_")
        train, val = (record.metrics.get(f"{p}_{metric}") for p in ("train", "val"))
        if part == "gap" and train is not None and val is not None and _differ(gap, train - val):
            yield f"its {name} is {gap:g}, and training minus validation is {train - val:g}"


def _known(record: Record) -> dict[str, Measure]:
    """Returns the measures of those of its metrics that are dropbench's own, whatever the record declares for them."""
    asked = {
        name: migrate.METRICS[name]
        for name, node in record.config["metric"].items()
        if name in migrate.METRICS
        and node.get("version", 1) == 1
        and str(node.get("_target_", "")).startswith(identity.OWN)
    }
    found = derived.measures(record.metrics, asked, record.task or "classify")
    return {name: Measure(**told) for name, told in found.items() if told}


def _possible(value: float, measure: Measure, part: str) -> bool:
    """Returns whether a number lies in its range: of a percentage at most 0 to 1, of a gap ± the width of the range."""
    if math.isnan(value):
        return True
    low, high = measure.range
    if measure.unit == PERCENT:
        low, high = max(low or 0.0, 0.0), 1.0 if high is None else min(high, 1.0)
    if part == "gap":
        width = math.inf if low is None or high is None else high - low
        low, high = -width, width
    least = -math.inf if low is None else low - _ROUNDING
    most = math.inf if high is None else high + _ROUNDING
    return least <= value <= most


def _bounds(measure: Measure, part: str) -> str:
    low, high = measure.range
    if part == "gap" and low is not None and high is not None:
        low, high = low - high, high - low
    if low is None or high is None:
        return f"it cannot be {'above' if low is None else 'below'} {high if low is None else low}"
    return f"its range is {low:g} to {high:g}"


def _differ(a: float, b: float) -> bool:
    return math.isfinite(a) and math.isfinite(b) and abs(a - b) > _ROUNDING * max(1.0, abs(a), abs(b))


def _is_rate(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1
