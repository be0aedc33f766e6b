"""Fake records: plausible runs without training, for the report's tests."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from dropbench import identity
from dropbench.store import Record, StoredPlan, derived, migrate
from dropbench.store.record import record_from

BASE: dict[str, Any] = {
    "model": {"name": "mlp", "_target_": "dropbench.models.mlp.MLP", "version": 1, "widths": [512, 512]},
    "dropout": {
        "name": "none",
        "_target_": "dropbench.dropout.none.None_",
        "version": 1,
        "rate": 0.0,
        "rates": {},
        "placement": None,
    },
    "data": {"name": "mnist", "_target_": "dropbench.data.mnist", "version": 1, "n_train": 1000, "val_fraction": 0.2},
    "train": {
        "name": "default",
        "epochs": 50,
        "weight_decay": 0.0,
        "max_norm": None,
        "label_smoothing": 0.0,
        "grad_clip": None,
        "patience": None,
        "monitor": "val_loss",
        "restore_best": True,
        "augment": {"crop": 0, "flip": 0.0},
    },
    "metric": {"accuracy": {"name": "accuracy", "_target_": "dropbench.metrics.Accuracy", "version": 1}},
}
MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"widths": [512, 512]},
    "cnn": {"channels": [16, 32], "kernel": 3},
}


def fake_id(tree: object) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:12]


def fake(seed: int = 0, *, changes: Mapping[str, Any] | None = None, **fields: Any) -> Record:
    """Return a completed run.

    changes: values by dotted configuration key; `dropout`, `model` and `data` alone set the name, `regularizer` is a dict.
    fields: fields of the record; test, val and train are accuracies (fractions) from which the metrics are made.
    """
    config = copy.deepcopy(BASE)
    changes = dict(changes or {})
    config |= {"regularizer": changes.pop("regularizer")} if "regularizer" in changes else {}
    for key, value in changes.items():
        *path, last = key.split(".") if "." in key else (key, "name")
        part = config
        for name in path:
            part = part[name]
        if key == "model":
            part.clear()
            part |= {"_target_": f"dropbench.models.{value}", "version": 1, **MODELS[value]}
        part[last] = value
    train, val, test = (fields.pop(part, default) for part, default in (("train", 1.0), ("val", 0.9), ("test", 0.89)))
    metrics = {
        "train_accuracy": train,
        "val_accuracy": val,
        "test_accuracy": test,
        "gap_accuracy": train - val,
        "train_loss": 1 - train,
        "val_loss": 1.5 * (1 - val),
        "test_loss": 1.6 * (1 - test),
        "gap_loss": 1 - train - 1.5 * (1 - val),
    }
    values: dict[str, Any] = {
        "status": "completed",
        "reason": None,
        "config": {**config, "seed": seed},
        "seed": seed,
        "metrics": metrics,
        "chosen_epoch": min(20 + seed, fields.get("epochs_run", 50)),
        "epochs_run": 50,
        "n": {"train": 800, "val": 200, "test": 10_000},
        "parameters": 669_706,
        "rates": {},
        "data_fingerprint": "0123456789ab",
        "seconds": 3.5,
        "device": "cpu",
        "threads": 1,
        "cohort_size": 30,
        "versions": {"dropbench": "0.1.0", "python": "3.12.3", "torch": "2.13.0", "numpy": "2.4.6"},
        "git_commit": "c0ffee",
        "started": "2025-01-01T00:00:00+00:00",
    }
    values |= fields
    if values["status"] != "completed":
        values |= {"metrics": {}, "chosen_epoch": None}
    known = {
        **identity.ids(values["config"], values["data_fingerprint"], values.get("sources", {})),
        "task": "classify",
        "measures": derived.measures(values["metrics"], migrate.METRICS),
        "variants": derived.variants(values["config"], values["rates"]),
        "regularizers": derived.regularizers(values["config"]),
        "sources": {},
        "products": "mkl",
    }
    return record_from(known | values)


def fake_plan(arms: Mapping[str, list[Record]], **fields: Any) -> StoredPlan:
    values: dict[str, Any] = {
        "plan_id": fake_id([r.run_id for records in arms.values() for r in records]),
        "study": "three_arm",
        "question": "Does dropout help here?",
        "baseline": "none",
        "arms": {name: [r.run_id for r in records] for name, records in arms.items()},
        "overrides": [],
        "created": "2025-01-01T00:00:00+00:00",
    }
    return StoredPlan(**(values | fields))
