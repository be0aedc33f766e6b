"""Chooses the library for the matrix products of a results folder's runs: measured for the first run, then kept for all."""

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
    """Returns the settings with the choice of products as a plain name, which every worker gets, and notes for the user.

    The runs in a results folder determine the choice, or a file beside them (`store/products.py`). For the first run it is
    measured. The measurement is kept for this machine, so that the same command in another folder gives the same bits.

    Parameters
    ----------
    settings : Settings
        The plan's settings.
    device : str
        The device, by torch's name. Accelerators have their own products; then the settings do not change.
    trains : bool
        Whether something is trained now. If not, nothing is measured and nothing written.
    measure : Callable or None
        A function that returns the fastest choice; None: `engine.product_times.fastest`.

    Raises
    ------
    UsageError
        If `execute.products` names a library that is not here, or another one than the folder's.
    """
    if device != "cpu":
        return settings, []
    asked = settings.execute.products
    if asked != AUTO and asked not in blas.available():
        built = "; torch stands for a torch without MKL, and this one has it" if asked == blas.TORCH else ""
        raise UsageError(
            f"execute.products={asked}: that library is not available here{built}; use one of "
            f"{', '.join([AUTO, *blas.available()])}"
        )
    found = of_folder.settled(settings.results)
    if found is None:
        found = asked if asked != AUTO else _of_machine(trains, measure)
        if trains:
            found = of_folder.settle(settings.results, found, processor().rpartition(": ")[2])
    if asked not in (AUTO, found):
        raise UsageError(
            f"execute.products={asked}: the runs in {settings.results} multiply matrices with {found}, and only runs that "
            "use the same library are compared; leave this setting out, or choose another folder: results=DIR"
        )
    used, notes = found, []
    if found not in blas.available():
        used = blas.default()
        notes = [
            f"the runs in {settings.results} multiply matrices with {found}, which is not available on this machine: runs "
            f"that are trained here use {used}, which rounds differently, and their records say so"
        ]
    if (kernels := blas.slowed_openblas()) is not None:
        notes.append(
            f"OPENBLAS_CORETYPE makes NumPy's OpenBLAS use its kernels for {kernels}; small products take about twice as long "
            "with these as with the kernels that it would choose here; unset it"
        )
    execute = settings.execute.model_copy(update={"products": used})
    return settings.model_copy(update={"execute": execute}), notes


def _of_machine(trains: bool, measure: Callable[[], str] | None) -> str:
    """Returns the fastest choice for this machine: the one kept before, or measured now if `trains`, else the default."""
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
    """Returns a hash of everything that the measurement depends on."""
    parts = [processor(), version("torch"), version("numpy"), blas.openblas_kernels()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
