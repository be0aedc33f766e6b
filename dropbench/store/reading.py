"""Reads records and plans from folders and files, or returns why that is impossible. The files may have any content."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from dropbench.store import migrate
from dropbench.store.contradictions import contradiction, wrong_id
from dropbench.store.counted import contradicted
from dropbench.store.record import FINISHED, RECORD, SCHEMA, Loaded, Record, Skipped, StoredPlan, adapter
from dropbench.store.safely import content

DEEPEST = 32
"""Deepest nesting of a record: no configuration needs half of it, and readers recurse."""
_SETTING = re.compile(rb'"setting_id": "(\w+)"')
_WHOLE = ("seed", "chosen_epoch", "epochs_run", "parameters", "threads", "cohort_size", "n")
_REAL = ("metrics", "rates", "learned_rates", "test_classes", "arrays", "seconds", "peak_memory_mb")
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")

_Kind = TypeVar("_Kind", Record, StoredPlan)


def read(folder: Path) -> Record | Skipped:
    """Returns the record of one run folder, or why there is none. It never raises because of the folder's content.

    A record of schema 1 is migrated, so its id differs from the folder's name. A record that contradicts itself, because it was
    edited, is skipped.
    """
    return examined(folder)[0]


def examined(folder: Path) -> tuple[Record | Skipped, bool]:
    """Returns the record of one run folder, as `read` does, and whether it was migrated."""
    tree = _tree(folder / RECORD, "run_id")
    if isinstance(tree, Skipped):
        return Skipped(folder, tree.reason), False
    if tree["run_id"] != os.path.basename(os.path.realpath(folder)):
        return Skipped(folder, f"it holds the record of another run, {str(tree['run_id'])[:80]}"), False
    old = tree["schema"] < SCHEMA
    return _judged(folder, tree, old), old


def _judged(folder: Path, tree: dict[str, Any], old: bool) -> Record | Skipped:
    try:
        record = _validated(folder / RECORD, migrate.record(tree) if old else tree, Record)
        wrong = None
        if isinstance(record, Record):
            wrong = (None if old else wrong_id(record)) or contradiction(record) or contradicted(record, folder)
    except ValueError as error:
        wrong = str(error)
    except (TypeError, AttributeError, KeyError, OverflowError):
        wrong = "its configuration was not written by dropbench"
    if wrong is not None:
        again = "; its settings are in its config.yaml, so it can be trained again" if old else ""
        return Skipped(folder, f"{RECORD}: {wrong}{again}")
    return Skipped(folder, record.reason) if isinstance(record, Skipped) else record


def read_all(*folders: Path, read: Callable[[Path], Record | Skipped] = read) -> Loaded:
    """Reads every run folder directly inside `folders`, except hidden names; a missing folder counts as empty.

    Of several records of one run, finished ones are preferred, then those with more metrics, then newer forms. read: returns
    the record of a folder.
    """
    best: dict[str, tuple[tuple[bool, int, bool], Record, Path]] = {}
    skipped = []
    for folder in (f for parent in folders for f in listed(parent)):
        record = folder if isinstance(folder, Skipped) else read(folder)
        if isinstance(record, Skipped) or isinstance(folder, Skipped):
            skipped += [s for s in (record,) if isinstance(s, Skipped)]
            continue
        rank = record.status in FINISHED, len(record.metrics), record.run_id == folder.name
        if record.run_id not in best or rank > best[record.run_id][0]:
            best[record.run_id] = rank, record, folder
    kept = {run: best[run] for run in sorted(best)}
    return Loaded(
        [record for _, record, _ in kept.values()],
        sorted(skipped, key=lambda s: s.path),
        {run: folder for run, (_, _, folder) in kept.items()},
    )


def listed(folder: Path) -> list[Path | Skipped]:
    """Returns the paths in a folder, sorted, without hidden names; a `Skipped` if it cannot be listed; else nothing."""
    try:
        return [Path(folder, name) for name in sorted(os.listdir(folder)) if not name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        return [Skipped(folder, f"cannot be listed: {error.strerror}")]


def read_plan(path: Path) -> StoredPlan | Skipped:
    """Returns a stored plan, or why there is none. A plan of schema 1 keeps its old ids: see `Store.plans`."""
    tree = _tree(path, "plan_id")
    return tree if isinstance(tree, Skipped) else _validated(path, tree, StoredPlan)


def setting_in(folder: Path) -> str | None:
    """Returns the setting id of a run folder's record, from its first bytes."""
    told = _SETTING.search(_ends(folder)[0])
    return told[1].decode() if told else None


def is_old(folder: Path) -> bool:
    """Returns whether a run folder holds a record of an older schema, from its last bytes."""
    _, key, value = _ends(folder)[1].rpartition(b'"schema":')
    number = value.strip().rstrip(b"}").strip()
    return bool(key) and number.isdigit() and int(number[:9]) < SCHEMA


def dump(thing: Record | StoredPlan) -> bytes:
    """Returns JSON, checked to be readable. Raises ValueError for values of a wrong type (a tensor, say) or an unusable id."""
    name = thing.run_id if isinstance(thing, Record) else thing.plan_id
    if not name or name.startswith(".") or any(c in name for c in "/\\\0~"):
        raise ValueError(f"{name!r} cannot be the name of a folder")
    form = adapter(type(thing).__name__)
    written: bytes = form.dump_json(thing, indent=1, warnings="error")
    form.validate_json(written)
    if isinstance(thing, Record) and (wrong := wrong_id(thing) or contradiction(thing)):
        raise ValueError(f"{name}: {wrong}")
    return written + b"\n"


def _ends(folder: Path) -> tuple[bytes, bytes]:
    """Returns the first 256 and the last 64 bytes of a run folder's record; empty if it is no file."""
    try:
        whole = content(folder / RECORD)
    except (OSError, ValueError):
        return b"", b""
    return whole[:256], whole[-64:]


def _tree(path: Path, known: str) -> dict[str, Any] | Skipped:
    """Returns the JSON of a file that dropbench wrote: it must have the key `known` and a readable schema."""
    try:
        tree = json.loads(content(path))
    except FileNotFoundError:
        return Skipped(path, f"no {path.name}")
    except NotADirectoryError:
        return Skipped(path, "not a run folder")
    except OSError as error:
        return Skipped(path, f"{path.name} cannot be read: {error.strerror}")
    except (ValueError, RecursionError):
        return Skipped(path, f"{path.name} is not JSON, perhaps cut short")
    schema = tree.get("schema") if isinstance(tree, dict) else None
    if type(schema) is not int or known not in tree:
        return Skipped(path, f"{path.name} was not written by dropbench")
    if schema > SCHEMA:
        return Skipped(path, f"written by a newer dropbench (schema {schema}; this one reads {SCHEMA})")
    if _depth(tree) > DEEPEST:
        return Skipped(path, f"{path.name} is nested deeper than {DEEPEST} levels")
    return dict(tree)


def _validated(path: Path, tree: dict[str, Any], kind: type[_Kind]) -> _Kind | Skipped:
    if loose := _loose(tree):
        return Skipped(path, f"{path.name}: {loose} is not a number")
    try:
        thing: _Kind = adapter(kind.__name__).validate_python(tree)
        return thing
    except ValueError as error:  # pydantic's ValidationError is a ValueError
        first: dict[str, Any] = getattr(error, "errors", lambda: [{}])()[0]
        where = ".".join(map(str, first.get("loc", ())))
        return Skipped(path, f"{path.name}: {where}: {str(first.get('msg', error)).lower()}")


def _depth(tree: Any) -> int:
    """Returns the depth of nesting, at most DEEPEST + 1."""
    depth, level = 0, [tree]
    while level and depth <= DEEPEST:
        depth += 1
        inner = [v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list)]
        level = [v for values in inner for v in values]
    return depth


def _loose(tree: Mapping[str, Any]) -> str | None:
    """Returns the name of the first value that pydantic would accept as a number although it is none in JSON: true, "0.5"."""
    for fields, kinds in ((_WHOLE, (int,)), (_REAL, (int, float))):
        for name, value in _leaves({name: tree.get(name) for name in fields}, ""):
            right = isinstance(value, kinds) and not isinstance(value, bool)
            if not (value is None or right or (kinds != (int,) and value in _NOT_FINITE)):
                return name
    return None


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yields everything in a tree that is neither a mapping nor a list, with its keys."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, name)
    else:
        yield name, value
