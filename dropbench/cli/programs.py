"""Computes the programs of a study: functions that return one number for each seed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.config.parts import function_of
from dropbench.errors import UsageError

if TYPE_CHECKING:
    from dropbench.config.study_spec import Program
    from dropbench.store import StoredProgram
    from dropbench.store.programs import Number, Numbers


def carried_out(
    programs: Mapping[str, Program],
    seeds: Sequence[int],
    pilot: Sequence[int],
    results: Path,
    note: Callable[[str], None],
    *,
    force: bool = False,
) -> dict[str, StoredProgram]:
    """Compute each program's number under every seed. Each is stored as soon as it is computed, and later sweeps reuse it.

    force: whether to compute stored numbers again. Raises UsageError for a function that is missing or returns no number.

    One thread is used, because the fits are small and several threads would lose time waiting for each other.
    """
    if not programs:
        return {}
    from dropbench.config.source_hash import text_hash
    from dropbench.hardware.blas import one_thread
    from dropbench.store.programs import Numbers

    functions = {name: function_of(p.target, f"study.programs.{name}._target_") for name, p in programs.items()}
    done = {}
    with one_thread():
        for name, program in programs.items():
            numbers = Numbers(results, program.target, text_hash(program.target))
            left = [s for s in (*pilot, *seeds) if force or numbers.find(s) is None]
            note(
                f"program {name}, {len(pilot) + len(seeds)} seeds"
                + (f", {len(left)} of them left" if left else ", all of them stored already")
            )
            for seed in left:
                numbers.keep(seed, _number(name, program, functions[name], seed))
            done[name] = _stored(program, numbers, seeds, pilot)
    return done


def _number(name: str, program: Program, function: Callable[[int], float], seed: int) -> Number:
    from dropbench.store.programs import Number

    began = time.monotonic()
    value = function(seed)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(
            f"study.programs.{name}: {program.target} returned {value!r} for seed {seed}; it must return a finite number"
        )
    return Number(float(value), time.monotonic() - began)


def _stored(program: Program, numbers: Numbers, seeds: Sequence[int], pilot: Sequence[int]) -> StoredProgram:
    from dropbench.store import StoredProgram

    found = {s: number for s in (*pilot, *seeds) if (number := numbers.find(s)) is not None}
    return StoredProgram(
        **program.model_dump(),
        seeds=list(seeds),
        values=[found[s].value for s in seeds],
        pilot=[found[s].value for s in pilot],
        seconds=sum(number.seconds for number in found.values()),
    )
