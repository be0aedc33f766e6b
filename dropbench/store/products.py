"""Which library multiplies matrices for the runs of a results folder: the same for all that are trained on CPUs.

    results/products.json      {"products": "openblas", "processor": "..."}

Libraries round differently, and compared runs should differ in nothing but their arm. So the process that trains the first run
decides, and later ones use the same library. For a folder without the file, from an older dropbench, the records tell.
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
"""How many records are read if there is no file: records of runs on accelerators do not help."""
_WAIT_S = 1.0
"""How long to wait for the process that created the file to write its content."""


def settled(root: Path) -> str | None:
    """Returns the library of the folder's runs, None if none was trained on a CPU. Raises UsageError for a damaged file."""
    told = _in_file(root / FILE)
    return told if told is not None else _in_records(root)


def settle(root: Path, products: str, processor: str) -> str:
    """Records the library for a folder and returns the valid one, which may be what another command recorded first.

    Parameters
    ----------
    root : Path
        The results folder, which is created if it does not exist.
    products : str
        The library to record if there is none yet.
    processor : str
        The processor on which it was chosen, for people to read.

    Raises
    ------
    UsageError
        If the file is damaged or cannot be written.
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
            raise UsageError(
                f'{path} must hold {{"products": "..."}} and does not; remove it, and the records of the runs name the library'
            )
        time.sleep(0.02)


def _in_records(root: Path) -> str | None:
    """Returns the library of the first run that was trained on a CPU."""
    for folder in islice(files.visible(root / RUNS), _LOOKED_AT):
        record = read(folder)
        if isinstance(record, Record) and record.device == "cpu" and record.products is not None:
            return record.products
    return None
