"""Records -> one DataFrame, a row a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dropbench.store import Record
from dropbench.values import absent, flatten

GROUPS = ("model", "dropout", "data")
PACKAGES = ("dropbench", "python", "torch", "numpy")


def to_frame(records: Sequence[Record], best: Mapping[str, int | None] | None = None) -> pd.DataFrame:
    """One row a record. Columns with a dot are configuration keys; `model`, `dropout` and `data` are their names.

    Configuration values keep their Python types (dtype object). Metrics are float64 with NaN where there is none, named
    `<part>_<metric>`: accuracies as fractions, losses in nats; gap = train minus validation. So are chosen_epoch, seconds,
    epoch_seconds (their mean per epoch), peak_memory_mb and best_epoch, which is the epoch of the best validation score by run
    id, as given in `best`.
    """
    rows = []
    metrics: dict[str, None] = {}
    for record in records:
        config = flatten(record.config)
        metrics |= dict.fromkeys(record.metrics)
        rows.append(
            {
                **{key: value for key, value in config.items() if "." in key},
                **record.metrics,
                **{group: config.get(f"{group}.name") for group in GROUPS},
                **{f"{part}_examples": record.n.get(part) for part in ("train", "val", "test")},
                **{f"{package}_version": record.versions.get(package) for package in PACKAGES},
                "run_id": record.run_id,
                "arm_id": record.arm_id,
                "status": record.status,
                "reason": record.reason,
                "seed": record.seed,
                "best_epoch": (best or {}).get(record.run_id),
                "chosen_epoch": record.chosen_epoch,
                "epochs_run": record.epochs_run,
                "learned_rates": record.learned_rates,
                "own_noise": record.own_noise,
                "arrays": record.arrays,
                "parameters": record.parameters,
                "seconds": record.seconds,
                "epoch_seconds": record.seconds / record.epochs_run if record.epochs_run else None,
                "peak_memory_mb": record.peak_memory_mb,
                "data_fingerprint": record.data_fingerprint,
                "git_commit": record.git_commit,
                "device": record.device,
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


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain dicts."""
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def config_keys(frame: pd.DataFrame) -> list[str]:
    """The columns that are configuration keys."""
    return [c for c in frame.columns if "." in c]


def setting_keys(frame: pd.DataFrame) -> list[str]:
    """Those that make a run what it is.

    What is measured does not: a run that has one metric more is the same run. Nor does the file of the package in which a part
    of dropbench's own lies, which its name and version stand for.
    """
    return [
        k
        for k in config_keys(frame)
        if not k.startswith("metric.")
        and not (k.endswith("._target_") and all(str(v).startswith("dropbench.") for v in known(frame, k)))
    ]


def known(frame: pd.DataFrame, column: str) -> list[object]:
    """The values of a column in the rows that have it: None is a value, the NaN of an absent key is not."""
    return [v for v in frame[column].tolist() if not absent(v)]
