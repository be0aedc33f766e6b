"""The ids of runs, which are hashes of plain trees, so that a stored record can be checked against its own content.

There are three ids of 12 hex digits each:

    setting_id   of the configuration alone, without its seed
    arm_id       of configuration, data fingerprint and hashes of the user's sources: runs that share it repeat one arm
    run_id       of the same with the seed

A configuration is hashed in a canonical form, without anything that does not change the run's numbers. A part of dropbench's
own is represented by its name, version and options, not by the path of its class. Keys that are null or off are left out, and
of the metrics only the monitored one counts. So adding a regularizer to dropbench that is off by default changes no id.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Tree = Mapping[str, Any]
PARTS = ("model", "data", "dropout", "train", "metric")
"""The keys that every configuration has."""
BESIDE = "regularizer"
"""The key of the regularizers that are separate parts; a configuration without any does not have this key."""
OFF: Tree = {
    "weight_decay": 0,
    "label_smoothing": 0,
    "max_norm": None,
    "grad_clip": None,
    "patience": None,
    "augment": {},
}
"""The regularizers that are keys of `train`, and the value that turns each off."""
PATH = "path"
"""The option of data with the path of a user's file."""
_WRITING = ("test_path", "decimal", "encoding")
"""The options of data=csv that say where rows are and how they are written, and not what they hold."""
_ENDING = re.compile(r"\.(csv|tsv|txt|parquet|pq|npz|jsonl?|arrow)(\.(gz|bz2|xz))?$", re.IGNORECASE)
OWN = "dropbench."
"""The prefix of the import paths of dropbench's own parts."""
OURS = "dropbench"
"""Stands in place of a source hash if the part is one of dropbench's own under a name that the user gave it."""
HOST = "dropbench.models.module.Module"
"""The part of dropbench's own that runs a user's network, which its option `target` names."""
GIVEN_MODULE = "given_objects"
"""The name of the module that holds networks which a Python program passed as objects."""
_GIVEN = re.compile(rf"(^|[=/\\])(given_[0-9a-f]{{6}}(\.csv|\.table)?$|{GIVEN_MODULE}\.)")


def given(word: str) -> bool:
    """Returns whether an override or option names an object passed by a Python program, which no command line can name."""
    return _GIVEN.search(word) is not None


def object_of(name: str) -> tuple[str, str] | None:
    """Returns what a Python program passed as these data, in words, and the digits that tell it from others; else None.

    name: the name of the data, as `data_name` returns it.
    """
    if (found := re.fullmatch(r"given_([0-9a-f]{6})(\.table)?", name)) is None:
        return None
    return "the given data" if found[2] else "the given DataFrame", found[1]


def ids(config: Tree, fingerprint: str | None, sources: Mapping[str, str]) -> dict[str, str]:
    """Returns the three ids of a run by name. Parameters as in `arm_hashes`; the seed is taken from `config`."""
    return under(arm_hashes(config, fingerprint, sources), config.get("seed"))


def arm_hashes(config: Tree, fingerprint: str | None, sources: Mapping[str, str]) -> tuple[str, str]:
    """Returns the full hashes of a setting and of its arm on some data. They do not depend on the seed.

    Parameters
    ----------
    config : Mapping
        The configuration, as returned by `RunSpec.as_dict` and stored in records.
    fingerprint : str or None
        The fingerprint of the data; None if not known yet.
    sources : Mapping
        The hashes of the user's sources, by the import paths of the parts defined in them.

    Raises
    ------
    ValueError
        If it is not the configuration of a run.
    """
    setting = _canonical(config, dict.fromkeys(sources))
    # The arm's hash is a hash of hashes, so that the long configuration is written out only once.
    whole = _hash(setting)
    return whole, _hash([_hash(_canonical(config, sources)) if sources else whole, fingerprint])


def under(hashes: tuple[str, str], seed: Any) -> dict[str, str]:
    """Returns the three ids by name of an arm's run under a seed, given the arm's `arm_hashes`."""
    setting, arm = hashes
    named = {"setting_id": setting, "arm_id": arm, "run_id": _hash([arm, seed])}
    return {name: digits[:12] for name, digits in named.items()}


def plan_id(study: str | None, run_ids: Iterable[str], rule: Tree | None = None) -> str:
    """Returns the id of a plan, a hash of its study's name and its runs, whose order does not matter.

    rule: the rule by which a plan continues depending on its results; then the runs are those that it begins with.
    """
    whole = f"{study}:{','.join(sorted(run_ids))}"
    if rule is not None:
        whole += json.dumps(rule, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(whole.encode()).hexdigest()[:12]


def regularizers(config: Tree) -> Iterator[tuple[str, float]]:
    """Yields the name and strength of each active regularizer except dropout: `("weight_decay", 0.001)`, `("sam", 0.05)`."""
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
    """Returns the arm's variants in order; a configuration has a single variant without a list around it."""
    variants = config["dropout"]
    return list(variants) if isinstance(variants, list | tuple) else [variants]


def drops_nothing(config: Tree) -> bool:
    """Returns whether none of the arm's variants drops anything."""
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
    """Returns the import path of the code that a part runs; for the part that runs a user's network, the network's path."""
    return str(options.get("target") or target) if target == HOST else target


def part(node: Tree, sources: Mapping[str, str | None]) -> dict[str, Any]:
    """Returns a part in the form that is hashed; only a user's part keeps its import path, together with its source hash."""
    kept = {"version": 1, **_present({k: v for k, v in node.items() if k != "_target_"})}
    target = code(str(node.get("_target_", "")), node)
    if target in sources or not target.startswith(OWN):
        kept["_target_"], kept["_source_"] = target, sources.get(target)
    return kept


def data_name(node: Tree) -> str:
    """Returns the name of data; for a user's file it is the name of the file without folder and extension."""
    if not (path := node.get(PATH)):
        return str(node["name"])
    file = re.split(r"[\\/]", str(path).rstrip("\\/"))[-1]
    return _ENDING.sub("", file) or file


def _data(node: Tree) -> dict[str, Any]:
    """Returns data in the form that is hashed: with their name but without the folders of their files.

    The fingerprint identifies their content.
    """
    kept = {k: v for k, v in node.items() if (k, v) != ("label_noise", 0)}
    if not kept.get(PATH):
        return kept
    unsaid: tuple[object, ...] = ([], "auto")
    left_out = _WRITING if kept.get("name") == "csv" else ("test_path",)
    return {k: v for k, v in kept.items() if k not in left_out and v not in unsaid} | {PATH: data_name(node)}


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
    """Returns whether a variant with these rates drops nothing anywhere. A rate for `*` replaces the common rate."""
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
