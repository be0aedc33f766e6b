"""Lines of the index: of a run what is its own, and places of what it has in common with others, which is there once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, fields
from typing import Any, NamedTuple

from dropbench.store.epochs import Epochs
from dropbench.store.record import Record, adapter, record_from
from dropbench.store.told import Told, loaded, rows_in_text

_OWN = (
    "run_id",
    "status",
    "reason",
    "seed",
    "metrics",
    "arrays",
    "chosen_epoch",
    "epochs_run",
    "learned_rates",
    "test_classes",
    "seconds",
    "started",
    "peak_memory_mb",
)
"""The fields of a record that differ between the runs of an arm. The others, and the names of metrics, are there once."""
_METRICS = _OWN.index("metrics")
_ABOUT = tuple(f.name for f in fields(Record) if f.name not in (*_OWN, "config"))

Mark = tuple[int, int, int, int]
"""Inode, size, and the times of the last change of content and of anything, in ns."""


class Line(NamedTuple):
    """What the index says of a run.

    key: its folder. marks: of its record, of what its test split said, and of its history, as they were. config, about: places
    of what is shared. own: the values of the fields that are not. epochs, told: what `Epochs` and `Told` hold; None where
    nobody has asked for it, and an empty list where there is none.
    """

    key: str
    marks: list[Mark | None]
    config: int
    about: int
    own: list[Any]
    epochs: list[Any] | None
    told: list[Any] | None


class Shared:
    """What runs have in common, each once, at its place in a list. trees: as `trees` was, of the index that was read."""

    def __init__(self, trees: list[Any]) -> None:
        self.trees = trees
        self._places = {text(tree): place for place, tree in enumerate(trees)}
        self._wholes: dict[int, dict[str, Any]] = {}
        self._abouts: dict[int, dict[str, Any]] = {}

    def config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The same configuration, of the parts that others have too."""
        return {**self._whole(self._place_of({**config, "seed": None})), "seed": config.get("seed")}

    def encoded(
        self,
        key: str,
        marks: list[Mark | None],
        record: Record,
        epochs: Epochs | None,
        told: tuple[Told | None] | None,
    ) -> bytes:
        """The line of a run. told: None where nobody has asked for it."""
        of_all: dict[str, Any] = adapter(Record.__name__).dump_python(record, mode="json", include={*_ABOUT})
        own = [getattr(record, name) for name in _OWN]
        own[_METRICS] = list(record.metrics.values())
        said: list[Any] | None = None
        if told is not None:
            said = [] if (one := told[0]) is None else [self._place(rows_in_text(one)), *one.dumped()]
        line = Line(
            key,
            marks,
            self._place_of({**record.config, "seed": None}),
            self._place_of({**of_all, "metrics": list(record.metrics)}),
            own,
            None if epochs is None else list(astuple(epochs)),
            said,
        )
        return text(line).encode()

    def record(self, line: Line) -> Record:
        """The record of a line. Raises ValueError, TypeError, LookupError or AttributeError where it is none of an index."""
        own = dict(zip(_OWN, line.own, strict=True))
        about = self._whole(line.about)
        own["metrics"] = dict(zip(about["metrics"], own["metrics"], strict=True))
        if line.about not in self._abouts:
            read = record_from({**about, **own, "config": {}})
            self._abouts[line.about] = {name: getattr(read, name) for name in _ABOUT}
        # As it was when it was read and checked, and its file is the same: to call the constructor would add nothing but time.
        record = object.__new__(Record)
        config = {**self._whole(line.config), "seed": own["seed"]}
        record.__dict__.update(self._abouts[line.about], config=config, **own)
        return record

    def told(self, line: Line) -> tuple[Told | None] | None:
        """What is known of what it said; raises as `record` does."""
        if line.told is None:
            return None
        if not line.told:
            return (None,)
        rows, *told = line.told
        return (loaded(told, self.trees[rows]),)

    def _place(self, tree: Any) -> int:
        if (told := text(tree)) not in self._places:
            self._places[told] = len(self.trees)
            self.trees.append(tree)
        return self._places[told]

    def _place_of(self, tree: Mapping[str, Any]) -> int:
        """Of a mapping, whose values that are mappings or lists have places of their own."""
        nested = {key: isinstance(value, dict | list) for key, value in tree.items()}
        return self._place([[key, deep, self._place(tree[key]) if deep else tree[key]] for key, deep in nested.items()])

    def _whole(self, place: int) -> dict[str, Any]:
        if place not in self._wholes:
            self._wholes[place] = {key: self.trees[value] if deep else value for key, deep, value in self.trees[place]}
        return self._wholes[place]


def text(tree: Any) -> str:
    """JSON without spaces, with NaN and Infinity as Python writes them."""
    return json.dumps(tree, separators=(",", ":"))
