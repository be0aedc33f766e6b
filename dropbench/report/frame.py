"""Records -> one DataFrame, a row a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dropbench.report.values import absent, flatten
from dropbench.store import Record

if TYPE_CHECKING:
    import pandas as pd

MEASURES = tuple(f"{part}_{what}" for what in ("accuracy", "loss") for part in ("train", "val", "test", "gap"))
"""The metrics that every run has: accuracies as fractions, losses in nats; gap = train minus validation."""

NUMBERS = (*MEASURES, "chosen_epoch", "seconds")
GROUPS = ("model", "dropout", "data")
PACKAGES = ("dropbench", "python", "torch", "numpy")


def to_frame(records: Sequence[Record]) -> pd.DataFrame:
    """One row a record. Columns with a dot are configuration keys; `model`, `dropout` and `data` are their names.

    Configuration values keep their Python types (dtype object), NUMBERS are float64 with NaN where there is none.
    """
    import pandas as pd

    rows = []
    for record in records:
        config = flatten(record.config)
        rows.append(
            {
                **{key: value for key, value in config.items() if "." in key},
                **{group: config.get(f"{group}.name") for group in GROUPS},
                **dict.fromkeys(MEASURES),
                **record.metrics,
                **{f"{part}_examples": record.n.get(part) for part in ("train", "val", "test")},
                **{f"{package}_version": record.versions.get(package) for package in PACKAGES},
                "run_id": record.run_id,
                "arm_id": record.arm_id,
                "status": record.status,
                "reason": record.reason,
                "seed": record.seed,
                "chosen_epoch": record.chosen_epoch,
                "epochs_run": record.epochs_run,
                "parameters": record.parameters,
                "seconds": record.seconds,
                "data_fingerprint": record.data_fingerprint,
                "git_commit": record.git_commit,
                "device": record.device,
                "started": record.started,
            }
        )
    frame = pd.DataFrame(rows, dtype=object)
    return frame.astype(dict.fromkeys(NUMBERS, float)) if rows else frame


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain dicts."""
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def config_keys(frame: pd.DataFrame) -> list[str]:
    """The columns that are configuration keys."""
    return [c for c in frame.columns if "." in c]


def known(frame: pd.DataFrame, column: str) -> list[object]:
    """The values of a column in the rows that have it: None is a value, the NaN of an absent key is not."""
    return [v for v in frame[column].tolist() if not absent(v)]
