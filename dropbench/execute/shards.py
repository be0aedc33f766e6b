"""Divides a plan into parts for machines that share nothing: `--shard 3/8` is the third of eight parts.

Which runs belong to a part follows from the plan alone. Measured times, memory, processors and finished runs would differ
between machines, and then a run could be in two parts or in none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from dropbench.errors import UsageError
from dropbench.execute.cohorts import Cohort, stackable
from dropbench.planning.outline import Outline
from dropbench.planning.sources import load
from dropbench.settings import Settings
from dropbench.spec import RunSpec

MOST = 10_000
_FEW = 4
"""A part must cost this many times a seed's runs for seeds to stay whole; otherwise the parts would be too unequal."""


@dataclass(frozen=True)
class Shard:
    """The `number`-th of `of` parts, counted from 1."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def read(text: str) -> Shard:
    """Parses a part as it is typed, `3/8`. Raises UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
    number, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if found and of > MOST:
        raise UsageError(f"--shard {text}: {of} parts are too many; write at most {MOST}, as in --shard 1/{MOST}")
    if found and of and not 1 <= number <= of:
        raise UsageError(
            f"--shard {text}: there is no part {number} of {of}; write --shard 1/{of} to --shard {of}/{of}"
        )
    if not of:
        raise UsageError(f"--shard {text}: say which part of how many, as in --shard 3/8 for the third of eight")
    return Shard(number, of)


def part(shard: Shard, specs: Sequence[RunSpec], outlines: Mapping[str, Outline], settings: Settings) -> list[RunSpec]:
    """Returns the runs of one part, in the order of the plan.

    Runs that can be stacked are put next to each other, and the sequence is cut into consecutive parts of about equal cost,
    so that the runs of a part can still be stacked. If the runs of a seed are a small share of a part, they stay in one part,
    because arms are compared within seeds.

    Parameters
    ----------
    shard : Shard
        The part.
    specs : sequence of RunSpec
        All runs to divide, in the order of the plan.
    outlines : mapping of str to Outline
        The outline of each run's model, by run id; a run that failed in planning has none.
    settings : Settings
        The plan's settings, which tell where its data are.

    Returns
    -------
    list of RunSpec
        Every run is in exactly one part, on every machine. A part may be empty.
    """
    costs = {s.run_id: _cost(s, outlines.get(s.run_id), settings) for s in specs}
    total, before, mine = sum(costs.values()), 0, set[str]()
    for unit in _units(specs, outlines, costs, total, shard.of):
        cost = sum(costs[s.run_id] for s in unit)
        # A unit belongs to the part that contains its middle. Integers give the same result on every machine.
        if shard.of * (2 * before + cost) // (2 * total) == shard.number - 1:
            mine.update(s.run_id for s in unit)
        before += cost
    return [s for s in specs if s.run_id in mine]


def _units(
    specs: Sequence[RunSpec], outlines: Mapping[str, Outline], costs: Mapping[str, int], total: int, of: int
) -> Iterator[list[RunSpec]]:
    """Yields the units that are not cut: the runs of a seed if they are a small share of a part, else each run alone."""
    for group in stackable([s for s in specs if s.run_id in outlines], outlines):
        seeds = [list(runs) for _, runs in groupby(group.specs, key=lambda s: s.seed)]
        largest = max(sum(costs[s.run_id] for s in runs) for runs in seeds)
        yield from seeds if _FEW * of * largest <= total else _singly(group)
    yield from ([s] for s in specs if s.run_id not in outlines)


def _singly(group: Cohort) -> Iterator[list[RunSpec]]:
    return ([s] for s in group.specs)


def _cost(spec: RunSpec, outline: Outline | None, settings: Settings) -> int:
    """Returns a cost of 1 or more, roughly proportional to the run's time: epochs × examples × parameters."""
    if outline is None:  # the run failed in planning and is not trained
        return 1
    data = spec.data
    examples = data.n_train or int(len(load(data, settings).y) * (1 - data.val_fraction - data.test_fraction))
    epochs = spec.train.stop_at or spec.train.epochs
    return max(1, epochs) * max(1, examples) * max(1, outline.parameters)
