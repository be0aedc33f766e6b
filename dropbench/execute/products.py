"""By which library the runs of a results folder take their products: measured for the first, and the same for all after it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from importlib.metadata import version

from dropbench.errors import UsageError
from dropbench.execute.shape import processor
from dropbench.hardware import blas
from dropbench.kept import Kept
from dropbench.settings import Settings
from dropbench.store import products as of_folder

AUTO = "auto"


def settled(
    settings: Settings, device: str, *, trains: bool, measure: Callable[[], str] | None = None
) -> tuple[Settings, list[str]]:
    """The settings with the products that runs are to take, a plain name that goes to each worker, and what there is to say.

    A folder that has runs says which, or a file beside them (`store/products.py`). For the first run they are measured, which
    is kept for this machine, so that the same command in another folder gives the same bits.

    Parameters
    ----------
    settings : Settings
        Those of the plan.
    device : str
        As torch names it. Accelerators have their own products, and nothing is settled.
    trains : bool
        Whether something is trained now. If not, nothing is measured and nothing written.
    measure : Callable or None
        What finds the fastest products; None: `engine.product_times.fastest`.

    Raises
    ------
    UsageError
        For `execute.products` that are not here, or are others than those of the folder.
    """
    if device != "cpu":
        return settings, []
    asked = settings.execute.products
    if asked != AUTO and asked not in blas.available():
        raise UsageError(
            f"execute.products={asked}: that library is not here; choose one of {', '.join([AUTO, *blas.available()])}"
        )
    found = of_folder.settled(settings.results)
    if found is None:
        found = asked if asked != AUTO else _of_machine(trains, measure)
        if trains:
            found = of_folder.settle(settings.results, found, processor().rpartition(": ")[2])
    if asked not in (AUTO, found):
        raise UsageError(
            f"execute.products={asked}: the runs in {settings.results} take their products by {found}, and arms are compared "
            "by runs of the same; leave it out, or choose another folder: results=DIR"
        )
    used, notes = found, []
    if found not in blas.available():
        used = blas.default()
        notes = [
            f"the runs in {settings.results} take their products by {found}, which is not on this machine: runs that are "
            f"trained here take them by {used}, which rounds differently, and their records say so"
        ]
    if (kernels := blas.slowed_openblas()) is not None:
        notes.append(
            f"OPENBLAS_CORETYPE has NumPy's OpenBLAS use its kernels for {kernels}, with which small products take about twice "
            "as long here as with those that it would choose; unset it"
        )
    execute = settings.execute.model_copy(update={"products": used})
    return settings.model_copy(update={"execute": execute}), notes


def _of_machine(trains: bool, measure: Callable[[], str] | None) -> str:
    """What is the fastest here, as far as it is known or is to be measured."""
    from dropbench.engine.product_times import fastest

    kept, key = Kept("products.json"), _machine()
    known = kept.get(key)
    if isinstance(known, str) and known in blas.available():
        return known
    if not trains:
        return blas.default()
    found = (measure or fastest)()
    kept.put(key, found)
    return found


def _machine() -> str:
    """All that the outcome depends on."""
    parts = [processor(), version("torch"), version("numpy"), blas.openblas_kernels()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
