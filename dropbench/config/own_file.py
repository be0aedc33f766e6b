"""What to type for a file of the user: a table, arrays, a folder of pictures, or a network."""

from __future__ import annotations

import shlex
from pathlib import Path

_FILES = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet", ".npz": "npz"}
"""The endings of files, and the data set that reads each."""


_SHEETS = (".xlsx", ".xls", ".ods")


def own_file(name: str) -> str | None:
    """Returns what to type for data in a file or folder of the user; None if the name does not look like one."""
    path = Path(name)
    unpacked = path.with_suffix("") if path.suffix in (".gz", ".bz2", ".xz") else path
    if path.suffix.lower() in _SHEETS:
        saved = shlex.quote(f"data.path={path.with_suffix('.csv')}")
        return f"data=csv {saved} data.target=COLUMN, once the sheet is saved as CSV"
    if (kind := _FILES.get(unpacked.suffix.lower())) is not None:
        return f"data={kind} {shlex.quote(f'data.path={name}')}" + ("" if kind == "npz" else " data.target=COLUMN")
    return f"data=image_folder {shlex.quote(f'data.path={name}')}" if "/" in name and path.is_dir() else None


def own_network(name: str) -> str | None:
    """Returns what to type for a network in a Python file; None if the name is not that of such a file."""
    return f"model=module model.target={Path(name).stem}:NAME" if name.endswith(".py") else None
