"""What a run is called: ids that are hashes of plain trees, so that a stored record can be checked against its own content.

Three ids, 12 hex digits each:

    setting_id   the configuration alone, without its seed
    arm_id       configuration, fingerprint of the data, hashes of the user's sources: runs that share it repeat one arm
    run_id       the same with the seed

A configuration is hashed in a canonical form, in which what changes no number leaves no trace: a part of dropbench's own is its
name, version and options and not the path of its class; what is null or off is absent; and of the metrics only the one that
training monitors counts. So a regularizer that is added to dropbench later, and is off, changes no id.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Tree = Mapping[str, Any]
PARTS = ("model", "data", "dropout", "train", "metric")
"""What every configuration has."""
BESIDE = "regularizer"
"""The key of the regularizers that are parts of their own; a configuration without one has not this key either."""
OFF: Tree = {
    "weight_decay": 0,
    "label_smoothing": 0,
    "max_norm": None,
    "grad_clip": None,
    "patience": None,
    "augment": {},
}
"""Regularizers beside dropout, by their key in `train`, and the value that is none of it."""
PATH = "path"
"""The option of data that names a user's file."""
_ENDING = re.compile(r"\.(csv|tsv|txt|parquet|pq|npz|jsonl?|arrow)(\.(gz|bz2|xz))?$", re.IGNORECASE)
OWN = "dropbench."
"""How the import path of a part of dropbench's own begins."""
OURS = "dropbench"
"""In the place of the hash of a source: the part is one of dropbench's own under a name of the user's."""
HOST = "dropbench.models.module.Module"
"""The part of dropbench's own that runs a user's code: its option `target` names it."""
GIVEN_MODULE = "given_objects"
"""The module in which a network lies that a program gave as an object."""
_GIVEN = re.compile(rf"(^|[=/\\])(given_[0-9a-f]{{6}}(\.csv|\.table)?$|{GIVEN_MODULE}\.)")


def given(word: str) -> bool:
    """Whether an override or an option names what a program gave as an object, so that no command line can."""
    return _GIVEN.search(word) is not None


def ids(config: Tree, fingerprint: str | None, sources: Mapping[str, str]) -> dict[str, str]:
    """The three ids of a run, by name. As `arm_hashes` of its configuration, under the seed in that."""
    return under(arm_hashes(config, fingerprint, sources), config.get("seed"))


def arm_hashes(config: Tree, fingerprint: str | None, sources: Mapping[str, str]) -> tuple[str, str]:
    """The whole hashes of a setting and of the arm that it is on some data, whatever the seed.

    Parameters
    ----------
    config : Mapping
        As `RunSpec.as_dict` gives it and a record holds it.
    fingerprint : str or None
        Of the data; None: not known yet.
    sources : Mapping
        Hashes of the user's sources by the import paths of the parts that come from them.

    Raises
    ------
    ValueError
        If it is no configuration of a run.
    """
    setting = _canonical(config, dict.fromkeys(sources))
    # Hashes of hashes: the configuration, which is long, is written out once.
    whole = _hash(setting)
    return whole, _hash([_hash(_canonical(config, sources)) if sources else whole, fingerprint])


def under(hashes: tuple[str, str], seed: Any) -> dict[str, str]:
    """The three ids of the run that an arm with these `arm_hashes` is under a seed."""
    setting, arm = hashes
    named = {"setting_id": setting, "arm_id": arm, "run_id": _hash([arm, seed])}
    return {name: digits[:12] for name, digits in named.items()}


def plan_id(study: str | None, run_ids: Iterable[str], rule: Tree | None = None) -> str:
    """The id of a plan: of the study that names its arms, and its runs in any order.

    rule: of a plan that goes on from what it finds, whose runs are then those that it begins with.
    """
    whole = f"{study}:{','.join(sorted(run_ids))}"
    if rule is not None:
        whole += json.dumps(rule, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(whole.encode()).hexdigest()[:12]


def regularizers(config: Tree) -> Iterator[tuple[str, float]]:
    """Name and strength of each regularizer beside dropout that is on: `("weight_decay", 0.001)`, `("augment.flip", 0.5)`."""
    train = config.get("train", {})
    for name, off in OFF.items():
        value = train.get(name)
        if isinstance(value, Mapping):
            yield from ((f"{name}.{k}", float(v)) for k, v in value.items() if v)
        elif value is not None and value != off:
            yield name, float(value)
    for name, node in (config.get(BESIDE) or {}).items():
        yield name, float(node[node["strength"]])


def variants(config: Tree) -> list[Tree]:
    """The arm's variants in order: one stands by itself in a configuration."""
    variants = config["dropout"]
    return list(variants) if isinstance(variants, list | tuple) else [variants]


def drops_nothing(config: Tree) -> bool:
    """Whether none of the arm's variants drops anything."""
    return all(silent(v.get("rate"), v.get("rates") or {}) for v in variants(config))


def _canonical(config: Tree, sources: Mapping[str, str | None]) -> dict[str, Any]:
    if missing := [name for name in PARTS if not isinstance(config.get(name), Mapping | list | tuple)]:
        raise ValueError(f"its configuration has no {missing[0]}")
    train, evaluation = config["train"], config.get("eval") or {}
    monitored = config["metric"].get(str(train.get("monitor")).removeprefix("val_"))
    return {
        **_present({k: v for k, v in config.items() if k not in (*PARTS, BESIDE, "seed", "eval")}),
        "model": part(config["model"], sources),
        "data": part(_data(config["data"]), sources),
        "dropout": [_variant(v, sources) for v in variants(config)],
        "train": _train(train),
        "eval": {} if evaluation.get("mode") == "deterministic" else _present(evaluation),
        "monitor": part(monitored, sources) if monitored else None,
        **({BESIDE: {k: _regularizer(v, sources) for k, v in config[BESIDE].items()}} if config.get(BESIDE) else {}),
    }


def code(target: str, options: Tree) -> str:
    """The import path of the code that a part runs: of the one that takes a user's network, the network's."""
    return str(options.get("target") or target) if target == HOST else target


def part(node: Tree, sources: Mapping[str, str | None]) -> dict[str, Any]:
    """A part as it is hashed: a user's keeps its import path, with the hash of its source beside it."""
    kept = {"version": 1, **_present({k: v for k, v in node.items() if k != "_target_"})}
    target = code(str(node.get("_target_", "")), node)
    if target in sources or not target.startswith(OWN):
        kept["_target_"], kept["_source_"] = target, sources.get(target)
    return kept


def data_name(node: Tree) -> str:
    """What data are called: those of a user's file as the file is, less folder and ending."""
    if not (path := node.get(PATH)):
        return str(node["name"])
    file = re.split(r"[\\/]", str(path).rstrip("\\/"))[-1]
    return _ENDING.sub("", file) or file


def _data(node: Tree) -> dict[str, Any]:
    """Data are what their content is, so where their files lie counts for nothing, but what they are called."""
    kept = {k: v for k, v in node.items() if (k, v) != ("label_noise", 0)}
    if not kept.get(PATH):
        return kept
    unsaid: tuple[object, ...] = ([], "auto")
    return {k: v for k, v in kept.items() if k != "test_path" and v not in unsaid} | {PATH: data_name(node)}


def _variant(node: Tree, sources: Mapping[str, str | None]) -> dict[str, Any]:
    kept = part({k: v for k, v in node.items() if k not in ("schedule", "rates")}, sources)
    rates, schedule = node.get("rates") or {}, node.get("schedule") or {"name": "constant"}
    if rates:
        kept["rates"] = rates
    if schedule["name"] != "constant" and not silent(node.get("rate"), rates):
        kept["schedule"] = part(schedule, sources)
    return kept


def _regularizer(node: Tree, sources: Mapping[str, str | None]) -> dict[str, Any]:
    kept = part({k: v for k, v in node.items() if k not in ("schedule", "strength", "none_at")}, sources)
    schedule = node.get("schedule") or {"name": "constant"}
    return kept if schedule["name"] == "constant" else kept | {"schedule": part(schedule, sources)}


def silent(rate: float | None, rates: Mapping[str, float]) -> bool:
    """Whether a variant with these rates drops nothing anywhere. A rate of `*` stands in place of the common one."""
    return not any(rates.values()) and ("*" in rates or rate == 0)


def _train(node: Tree) -> dict[str, Any]:
    augment = {k: v for k, v in (node.get("augment") or {}).items() if v}
    whole = {**node, "augment": augment}
    if not node.get("weight_decay") or node.get("decay_schedule") == "constant":
        whole.pop("decay_schedule", None)
    return _present({k: v for k, v in whole.items() if k not in OFF or v != OFF[k]})


def _present(node: Tree) -> dict[str, Any]:
    return {k: v for k, v in node.items() if v is not None}


def _hash(tree: Any) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
