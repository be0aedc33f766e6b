"""The statements of a study that are about numbers of functions, one a seed, computed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from dropbench.cli.checks import function_of
from dropbench.errors import UsageError

if TYPE_CHECKING:
    from dropbench.config.study_spec import Program
    from dropbench.store import StoredProgram


def carried_out(
    programs: Mapping[str, Program], seeds: Sequence[int], pilot: Sequence[int], note: Callable[[str], None]
) -> dict[str, StoredProgram]:
    """Each with its number under every seed. Raises UsageError for a function that is not there, or gives no number.

    Fits are small, and one thread is faster at them than several that wait for each other.
    """
    if not programs:
        return {}
    from dropbench.hardware.blas import one_thread

    functions = {name: function_of(f"study.programs.{name}", p.target) for name, p in programs.items()}
    done = {}
    with one_thread():
        for name, program in programs.items():
            note(f"program {name}, {len(pilot) + len(seeds)} seeds")
            done[name] = _stored(name, program, functions[name], seeds, pilot)
    return done


def _stored(
    name: str, program: Program, function: Callable[[int], float], seeds: Sequence[int], pilot: Sequence[int]
) -> StoredProgram:
    from dropbench.store import StoredProgram

    began = time.monotonic()

    def number(seed: int) -> float:
        value = function(seed)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UsageError(
                f"study.programs.{name}: {program.target} gave {value!r} for seed {seed}; it is to give a finite number"
            )
        return float(value)

    before, values = [number(s) for s in pilot], [number(s) for s in seeds]
    told = program.model_dump()
    return StoredProgram(**told, seeds=list(seeds), values=values, pilot=before, seconds=time.monotonic() - began)
