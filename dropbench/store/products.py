"""Which library multiplies matrices for the runs of a results folder: one for all that are trained on CPUs.

    results/products.json      {"products": "openblas", "processor": "..."}

Libraries round differently, and arms are compared by runs that should differ in nothing else. So whoever trains the first run
settles it, and who comes later takes the same. A folder without the file, from an older dropbench, is known by its records.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path

from dropbench.errors import UsageError
from dropbench.store import RUNS, files
from dropbench.store.reading import read
from dropbench.store.record import Record

FILE = "products.json"
_LOOKED_AT = 50
"""Records that are read where there is no file: those of runs on accelerators tell nothing."""
_WAIT_S = 1.0
"""For who has made the file to have written it."""


def settled(root: Path) -> str | None:
    """What the runs of a results folder take; None where none was trained on a CPU. Raises UsageError for a damaged file."""
    told = _in_file(root / FILE)
    return told if told is not None else _in_records(root)


def settle(root: Path, products: str, processor: str) -> str:
    """Settles it for a folder and returns what holds there: what another command was first to settle.

    Parameters
    ----------
    root : Path
        The results folder, which is made where it is not there.
    products : str
        The choice, where there is none yet.
    processor : str
        On which it was made, for people to read.

    Raises
    ------
    UsageError
        Where the file is damaged or cannot be written.
    """
    products = _in_records(root) or products
    content = json.dumps({"products": products, "processor": processor}, indent=1) + "\n"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), (root / FILE).open("x", encoding="utf-8") as file:  # one writer only
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(
            f"cannot write results into {root}: {error.strerror}; choose another folder: results=DIR"
        ) from error
    return _in_file(root / FILE) or products


def _in_file(path: Path) -> str | None:
    until = time.monotonic() + _WAIT_S
    while True:
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError):
            text = ""
        with suppress(ValueError, KeyError, TypeError):
            told = json.loads(text)["products"]
            if isinstance(told, str) and told.isalpha():
                return told
        if text or time.monotonic() > until:
            raise UsageError(f'{path} does not say {{"products": "..."}}; remove it, and the records of the runs tell')
        time.sleep(0.02)


def _in_records(root: Path) -> str | None:
    """Of the first run that was trained on a CPU."""
    for folder in islice(files.visible(root / RUNS), _LOOKED_AT):
        record = read(folder)
        if isinstance(record, Record) and record.device == "cpu" and record.products is not None:
            return record.products
    return None
