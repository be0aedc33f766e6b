"""Turns records into one DataFrame with one row per run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dropbench.identity import PATH, data_name
from dropbench.store import Record
from dropbench.values import absent, flatten, plain

GROUPS = ("model", "dropout", "data")
PACKAGES = ("dropbench", "python", "torch", "numpy")
PARTS = ("train", "val", "test", "gap")
"""The prefixes of metric columns; gap is train minus validation."""


def to_frame(records: Sequence[Record], best: Mapping[str, int | None] | None = None) -> pd.DataFrame:
    """Returns a frame with one row per record.

    Columns with a dot are configuration keys, whose values keep their Python types (dtype object); `model`, `dropout` and
    `data` hold the names of these parts. All texts except configuration values go through `plain`. Metrics are float64 columns
    `<part>_<metric>`, with NaN for missing values: accuracies as fractions, losses in nats; gap = train minus validation. Also
    float64 are chosen_epoch, seconds, epoch_seconds (their mean per epoch), peak_memory_mb and best_epoch, the epoch of the
    best validation score, which `best` gives by run id.
    """
    flats, place_of = _flat(records)
    scores = [measured(record) for record in records]
    metrics = dict.fromkeys(name for each in scores for name in each)
    rows = [_beside_config(record, best or {}) for record in records]
    # Each distinct configuration is flattened once, so that the runs that have it share one object per value.
    of_flats = {key: _objects([flat.get(key, math.nan) for flat in flats])[place_of] for key in _dotted(flats)}
    of_scores = {name: [each.get(name, math.nan) for each in scores] for name in metrics}
    of_groups = {group: _objects([flat.get(f"{group}.name") for flat in flats])[place_of] for group in GROUPS}
    of_rows = {name: _objects([row[name] for row in rows]) for name in (rows[0] if rows else ())}
    columns = {**of_flats, **of_scores, **of_groups, **of_rows}
    order: dict[str, None] = {}
    for place, names in dict.fromkeys(zip(place_of.tolist(), map(tuple, scores), strict=True)):
        order |= dict.fromkeys([*_dotted([flats[place]]), *names, *of_groups, *of_rows])
    frame = pd.DataFrame({name: columns[name] for name in order}, dtype=object)
    numbers = dict.fromkeys(
        (*metrics, "best_epoch", "chosen_epoch", "seconds", "epoch_seconds", "peak_memory_mb"), float
    )
    # The copy makes the frame contiguous: single columns fragment it, and pandas warns about that if there are a hundred.
    return frame.astype(numbers).copy() if rows else frame


def _flat(records: Sequence[Record]) -> tuple[list[dict[str, Any]], NDArray[np.int_]]:
    """Returns the distinct configurations as flat keys, without seeds, and for each record the index of its configuration.

    Configurations are compared by the identity of their parts, since records from one folder share these objects.
    """
    flats: list[dict[str, Any]] = []
    options: list[tuple[str, dict[str, Any]]] = []
    places: dict[tuple[object, ...], int] = {}
    place_of = []
    for record in records:
        parts = tuple((key, id(value)) for key, value in record.config.items() if key != "seed")
        if parts not in places:
            places[parts] = len(flats)
            config = {plain(key): value for key, value in flatten(record.config).items()}
            if config.pop(f"data.{PATH}", None):  # the path is replaced by the data's name
                options.append((config["data.name"], config))
                config["data.name"] = plain(data_name(record.config["data"]))
            flats.append(config)
        place_of.append(places[parts])
    _tell_apart(options)
    return flats, np.array(place_of, dtype=np.int_)


def _tell_apart(options: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Add the option to the names of files that differ in nothing else: `my (csv)` and `my (parquet)`.

    options: how each flat configuration reads its file, such as csv, and the configuration.
    """
    read_as: dict[str, set[str]] = {}
    for option, config in options:
        read_as.setdefault(config["data.name"], set()).add(option)
    alike = {name for name, several in read_as.items() if len(several) > 1}
    for option, config in options:
        if (name := config["data.name"]) in alike:
            config["data.name"] = f"{name} ({option})"


def _dotted(flats: Sequence[Mapping[str, Any]]) -> dict[str, None]:
    return dict.fromkeys(key for flat in flats for key in flat if "." in key)


def _objects(values: Sequence[Any]) -> NDArray[np.object_]:
    """Returns an object array of the values, which may be lists and mappings."""
    return np.fromiter(values, dtype=object, count=len(values))


def _beside_config(record: Record, best: Mapping[str, int | None]) -> dict[str, Any]:
    return {
        **{f"{part}_examples": record.n.get(part) for part in ("train", "val", "test")},
        **{f"{package}_version": _plain(record.versions.get(package)) for package in PACKAGES},
        "run_id": record.run_id,
        "arm_id": record.arm_id,
        "status": record.status,
        "reason": record.reason,  # `plain` is applied where its first line is shown
        "seed": record.seed,
        "best_epoch": best.get(record.run_id),
        "chosen_epoch": record.chosen_epoch,
        "epochs_run": record.epochs_run,
        "learned_rates": {plain(site): rate for site, rate in record.learned_rates.items()},
        "own_noise": [plain(part) for part in record.own_noise],
        "classes": record.test_classes,
        "arrays": record.arrays,
        "parameters": record.parameters,
        "seconds": record.seconds,
        "epoch_seconds": record.seconds / record.epochs_run if record.epochs_run else None,
        "peak_memory_mb": record.peak_memory_mb,
        "data_fingerprint": _plain(record.data_fingerprint),
        "sources": {plain(part): plain(code) for part, code in record.sources.items()},
        "git_commit": _plain(record.git_commit),
        "device": plain(record.device),
        "threads": record.threads,
        "products": _plain(record.products),
        "started": record.started,
    }


def measured(record: Record) -> dict[str, float]:
    """Returns a record's numbers by `<part>_<metric>`. Other names are left out, because they could replace other columns."""
    return {
        plain(name): value
        for name, value in record.metrics.items()
        if name.startswith(tuple(f"{part}_" for part in PARTS)) and "." not in name and not name.endswith("_examples")
    }


def _plain(text: str | None) -> str | None:
    return None if text is None else plain(text)


def by_label(runs: pd.DataFrame, column: str) -> dict[str, list[Any]]:
    """Returns the values of a column for each arm, by `label`, in the order of the rows. It takes one pass for all arms."""
    found: dict[str, list[Any]] = {}
    for label, value in zip(runs["label"].tolist(), runs[column].tolist(), strict=True):
        found.setdefault(label, []).append(value)
    return found


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the rows as dicts."""
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def config_keys(frame: pd.DataFrame) -> list[str]:
    """Returns the columns that are configuration keys."""
    return [c for c in frame.columns if "." in c]


def setting_keys(frame: pd.DataFrame) -> list[str]:
    """Returns the configuration keys that identify a run.

    Left out are metrics, because a run with one more metric is the same run; the `_target_` of dropbench's own parts, because
    their name and dropbench's version identify them; and which option of a regularizer is its strength.
    """
    return [
        k
        for k in config_keys(frame)
        if not k.startswith("metric.")
        and not (k.startswith("regularizer.") and k.endswith((".strength", ".none_at")))
        and not (k.endswith("._target_") and all(str(v).startswith("dropbench.") for v in known(frame, k)))
    ]


def known(frame: pd.DataFrame, column: str) -> list[object]:
    """Returns the values of a column in the rows that have the key: None is a value, the NaN of a missing key is not."""
    return [v for v in frame[column].tolist() if not absent(v)]
