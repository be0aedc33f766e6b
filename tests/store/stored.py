"""Records for the tests of the store: plausible, with ids that follow from them."""

from __future__ import annotations

from typing import Any

from dropbench import identity
from dropbench.store import Record, derived
from dropbench.store.record import record_from

CONFIG: dict[str, Any] = {
    "dropout": {"name": "standard", "rate": 0.5, "rates": {}},
    "model": {"name": "mlp", "widths": [8, 8]},
    "data": {"name": "digits"},
    "train": {"monitor": "val_loss"},
    "metric": {"loss": {"name": "loss"}},
    "seed": 0,
}


def make(name: str = "digits", **changes: Any) -> Record:
    """A completed run on data of that name."""
    config = {**CONFIG, "data": {"name": name}, "seed": changes.get("seed", 0), **changes.pop("config", {})}
    names = [v["name"] for v in identity.variants(config)]
    rates = {"hidden.0": 0.1} if len(names) == 1 else {f"hidden.0/{name}": 0.1 for name in names}
    rates = {} if names == ["none"] else rates
    values: dict[str, Any] = {
        "status": "completed",
        "reason": None,
        "config": config,
        "seed": 0,
        "task": "classify",
        "metrics": {"test_accuracy": 0.5},
        "measures": {},
        "chosen_epoch": 3,
        "epochs_run": 4,
        "n": {"train": 10, "val": 5, "test": 5},
        "parameters": 7,
        "regularizers": derived.regularizers(config),
        "rates": rates,
        "data_fingerprint": "abc",
        "sources": {},
        "seconds": 1.5,
        "device": "cpu",
        "threads": 1,
        "cohort_size": 1,
        "products": "mkl",
        "versions": {"dropbench": "0.1", "torch": "2"},
        "git_commit": None,
        "started": "2025-01-01T00:00:00+00:00",
    }
    values |= changes
    values.setdefault("variants", derived.variants(config, values["rates"]))
    ids = identity.ids(values["config"], values["data_fingerprint"], values["sources"])
    return record_from(ids | values)


RUN = make().run_id
