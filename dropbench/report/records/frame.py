"""Turns records into one DataFrame with one row per run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dropbench.identity import PATH, data_name
from dropbench.store import Record
from dropbench.values import absent, flatten, plain

GROUPS = ("model", "dropout", "data")
PACKAGES = ("dropbench", "python", "torch", "numpy")
PARTS = ("train", "val", "test", "gap")
"""How the name of a metric's value begins; gap is train minus validation."""


def to_frame(records: Sequence[Record], best: Mapping[str, int | None] | None = None) -> pd.DataFrame:
    """One row a record. Columns with a dot are configuration keys; `model`, `dropout` and `data` are their names.

    Names and other texts that are no configuration values are made `plain`.
    Configuration values keep their Python types (dtype object). Metrics are float64 with NaN where there is none, named
    `<part>_<metric>`: accuracies as fractions, losses in nats; gap = train minus validation. So are chosen_epoch, seconds,
    epoch_seconds (their mean per epoch), peak_memory_mb and best_epoch, which is the epoch of the best validation score by run
    id, as given in `best`.
    """
    rows = []
    metrics: dict[str, None] = {}
    for record in records:
        config = {plain(key): value for key, value in flatten(record.config).items()}
        if config.pop(f"data.{PATH}", None):  # which a name stands for
            config["data.name"] = plain(data_name(record.config["data"]))
        scores = measured(record)
        metrics |= dict.fromkeys(scores)
        rows.append(
            {
                **{key: value for key, value in config.items() if "." in key},
                **scores,
                **{group: config.get(f"{group}.name") for group in GROUPS},
                **{f"{part}_examples": record.n.get(part) for part in ("train", "val", "test")},
                **{f"{package}_version": _plain(record.versions.get(package)) for package in PACKAGES},
                "run_id": record.run_id,
                "arm_id": record.arm_id,
                "status": record.status,
                "reason": record.reason,  # of which the first line is shown, made plain there
                "seed": record.seed,
                "best_epoch": (best or {}).get(record.run_id),
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
                "started": record.started,
            }
        )
    frame = pd.DataFrame(rows, dtype=object)
    numbers = dict.fromkeys(
        (*metrics, "best_epoch", "chosen_epoch", "seconds", "epoch_seconds", "peak_memory_mb"), float
    )
    # A copy, for a column at a time leaves a frame in pieces, which pandas warns of where there are a hundred.
    return frame.astype(numbers).copy() if rows else frame


def measured(record: Record) -> dict[str, float]:
    """Its numbers by `<part>_<metric>`; a metric called otherwise, or as another column is, would stand in its place."""
    return {
        plain(name): value
        for name, value in record.metrics.items()
        if name.startswith(tuple(f"{part}_" for part in PARTS)) and "." not in name and not name.endswith("_examples")
    }


def _plain(text: str | None) -> str | None:
    return None if text is None else plain(text)


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain dicts."""
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def config_keys(frame: pd.DataFrame) -> list[str]:
    """The columns that are configuration keys."""
    return [c for c in frame.columns if "." in c]


def setting_keys(frame: pd.DataFrame) -> list[str]:
    """Those that make a run what it is.

    What is measured does not: a run that has one metric more is the same run. Nor does the file of the package in which a part
    of dropbench's own lies, which its name and version stand for; nor which option of a regularizer is its strength.
    """
    return [
        k
        for k in config_keys(frame)
        if not k.startswith("metric.")
        and not (k.startswith("regularizer.") and k.endswith((".strength", ".none_at")))
        and not (k.endswith("._target_") and all(str(v).startswith("dropbench.") for v in known(frame, k)))
    ]


def known(frame: pd.DataFrame, column: str) -> list[object]:
    """The values of a column in the rows that have it: None is a value, the NaN of an absent key is not."""
    return [v for v in frame[column].tolist() if not absent(v)]
