"""Converts records of schema 1 to schema 2, without loss.

In schema 1 a run's id was a hash that included paths and all metrics, and how to read a metric was guessed from its name.
"""

from __future__ import annotations

from typing import Any

from dropbench import identity
from dropbench.store import derived

UNKNOWN = "unknown"
"""Stands for the hash of a user's source that was not stored."""
TASKS = {"autoencoder": "reconstruct", "lm": "predict_next"}
"""Tasks of dropbench's own models that do not classify, as of schema 1."""

_ACCURACY = {"direction": "higher", "range": (0, 1), "unit": "percent", "region": "0.2pp"}
_FINE = {"region": "0.005"}
_SHARE = {"range": (0, 1)}
_POSITIVE = {"range": (0, None)}
_NATS = {"unit": "nats", "region": "0.01"}
METRICS: dict[str, dict[str, Any]] = {
    "ablation": {"also": {"ablation_gini": _SHARE, "ablation_share": _SHARE, "ablation_*": _NATS}},
    "accuracy": _ACCURACY,
    "adaptive_ece": {"direction": "lower", "range": (0, 1), **_FINE},
    "attribution": {"also": {"attribution_gini": _SHARE, "attribution_share": _SHARE}},
    "brier": {"direction": "lower", "range": (0, 2), **_FINE},
    "coadaptation": {**_SHARE, "region": "0.01"},
    "dead_units": {**_SHARE, "region": "0.01"},
    "ece": {"direction": "lower", "range": (0, 1), **_FINE},
    "fgsm": {"also": {"fgsm_*_accuracy": _ACCURACY}},
    "loss": {
        "direction": "lower",
        "range": (0, None),
        "unit": "nats",
        "region": "0.01",
        "of_task": {
            "regress": {"direction": "lower", "range": (0, None), "unit": "", "region": "1%"},
            "reconstruct": {"direction": "lower", "range": (0, None), "unit": "nats", "region": "1%"},
        },
        "also": {"perplexity": {"direction": "lower", "range": (1, None)}},
    },
    "mask_gradients": {"also": {"gradient_norm": _POSITIVE, "gradient_variance": _POSITIVE}},
    "membership": {"also": {"membership_auc": {"direction": "lower", "range": (0, 1), **_FINE}}},
    "missing": {"also": {"missing_*_accuracy": _ACCURACY}},
    "missing_by_value": {"also": {"missing_by_value_*_accuracy": _ACCURACY}},
    "ood": {"also": {"ood_*auroc": {"direction": "higher", "range": (0, 1), **_FINE}}},
    "reliability": {"also": {"reliability_ece": {"direction": "lower", "range": (0, 1), **_FINE}}},
    "sharpness": {**_NATS, "also": {"adaptive_sharpness": _NATS, "average_sharpness": _NATS}},
}
"""The current declarations of the metrics of schema 1; users' metrics declared nothing."""


def record(tree: dict[str, Any]) -> dict[str, Any]:
    """Returns the tree of a schema-1 record.json in the form of schema 2, with the ids that the same run has now.

    Raises ValueError, TypeError, AttributeError or KeyError for a tree that is not a run of dropbench's.
    """
    config = tree["config"]
    sources = {target: UNKNOWN for target in _targets(config) if not target.startswith(identity.OWN)}
    model = config["model"]
    own = str(model.get("_target_", identity.OWN)).startswith(identity.OWN)
    asked = {name: METRICS.get(name, {}) for name in config["metric"]}
    task = TASKS.get(str(model["name"]), "classify") if own else None
    return {
        **tree,
        **identity.ids(config, tree["data_fingerprint"], sources),
        "task": task,
        "measures": derived.measures(tree["metrics"], asked, task or "classify"),
        "variants": derived.variants(config, tree["rates"]),
        "regularizers": derived.regularizers(config),
        "sources": sources,
        "products": None,
        "schema": 2,
    }


def _targets(config: dict[str, Any]) -> list[str]:
    parts = [config["model"], config["data"], *config["metric"].values()]
    for variant in identity.variants(config):
        parts += [variant, variant.get("schedule") or {}]
    return [str(part["_target_"]) for part in parts if "_target_" in part]
