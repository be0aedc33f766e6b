"""Lines of the index. A line holds a run's own values, and the positions of values that it shares with other runs."""

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
"""The fields of a record that differ between the runs of an arm. The others, and the names of metrics, are stored once."""
_METRICS = _OWN.index("metrics")
_ABOUT = tuple(f.name for f in fields(Record) if f.name not in (*_OWN, "config"))

Mark = tuple[int, int, int, int]
"""A file's inode, size, mtime and ctime, both in ns."""


class Line(NamedTuple):
    """The index's line for one run.

    key: its folder, `kind/name`. marks: marks of its record, test.npz and history when they were read. config, about: positions
    of shared values. own: the values of the fields in `_OWN`. epochs, told: the fields of `Epochs`, and of `Told` with the
    position of its rows; None if they have not been asked for. An empty `told` means that the run kept no predictions.
    """

    key: str
    marks: list[Mark | None]
    config: int
    about: int
    own: list[Any]
    epochs: list[Any] | None
    told: list[Any] | None


class Shared:
    """The values that runs share, each stored once in the list `trees`. trees: the list from the index file, if it was read."""

    def __init__(self, trees: list[Any]) -> None:
        self.trees = trees
        self._places = {text(tree): place for place, tree in enumerate(trees)}
        self._wholes: dict[int, dict[str, Any]] = {}
        self._abouts: dict[int, dict[str, Any]] = {}

    def config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Returns an equal configuration whose nested parts are the same objects as in other runs' configurations."""
        return {**self._whole(self._place_of({**config, "seed": None})), "seed": config.get("seed")}

    def encoded(
        self,
        key: str,
        marks: list[Mark | None],
        record: Record,
        epochs: Epochs | None,
        told: tuple[Told | None] | None,
    ) -> bytes:
        """Returns the line of a run. told: None if it has not been asked for."""
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
        """Returns the record of a line. Raises ValueError, TypeError, LookupError or AttributeError for an invalid line."""
        own = dict(zip(_OWN, line.own, strict=True))
        about = self._whole(line.about)
        own["metrics"] = dict(zip(about["metrics"], own["metrics"], strict=True))
        if line.about not in self._abouts:
            read = record_from({**about, **own, "config": {}})
            self._abouts[line.about] = {name: getattr(read, name) for name in _ABOUT}
        # The values were checked when the record was read, and its file is unchanged. So the constructor is skipped, for speed.
        record = object.__new__(Record)
        config = {**self._whole(line.config), "seed": own["seed"]}
        record.__dict__.update(self._abouts[line.about], config=config, **own)
        return record

    def told(self, line: Line) -> tuple[Told | None] | None:
        """Returns the line's test results: None if unknown, (None,) if the run kept none. Raises as `record` does."""
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
        """Returns the position of a mapping, after storing those of its values that are mappings or lists separately."""
        nested = {key: isinstance(value, dict | list) for key, value in tree.items()}
        return self._place([[key, deep, self._place(tree[key]) if deep else tree[key]] for key, deep in nested.items()])

    def _whole(self, place: int) -> dict[str, Any]:
        if place not in self._wholes:
            self._wholes[place] = {key: self.trees[value] if deep else value for key, deep, value in self.trees[place]}
        return self._wholes[place]


def text(tree: Any) -> str:
    """Returns JSON without spaces, with NaN and Infinity as Python writes them."""
    return json.dumps(tree, separators=(",", ":"))
