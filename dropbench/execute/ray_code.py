"""Sends the user's own modules to machines that may not have them."""

from __future__ import annotations

import atexit
import importlib
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from dropbench.config.source_hash import own_files
from dropbench.execute.cohorts import Cohort

Code = Mapping[str, Mapping[str, str]]
"""The texts of modules, by their folder in `sys.path` and their path in it."""


def code_of(cohort: Cohort) -> Code:
    """Returns the user's modules that the runs of a cohort import, which are those that their source hashes cover."""
    return _read({target for spec in cohort.specs for target in spec.sources})


def _read(targets: Iterable[str]) -> Code:
    code: dict[str, dict[str, str]] = {}
    for target in sorted(targets):
        if (found := own_files(target)) is not None:
            folder, files = found
            texts = {file: (folder / file).read_text(encoding="utf-8") for file in files}
            code.setdefault(str(folder), {}).update(texts)
    return code


_unpacked: dict[str, str] = {}
"""The folders in which this process has unpacked modules from other machines, by their original folders."""


def bring(code: Code) -> None:
    """Makes these modules importable: from their original folders if these have the same files here, else from copies."""
    for folder, files in code.items():
        at = folder if _same(Path(folder), files) else _unpack(folder, files)
        if at not in sys.path:
            sys.path.append(at)
    importlib.invalidate_caches()


def _same(folder: Path, files: Mapping[str, str]) -> bool:
    try:
        return all((folder / name).read_text(encoding="utf-8") == text for name, text in files.items())
    except (OSError, UnicodeDecodeError):
        return False


def _unpack(folder: str, files: Mapping[str, str]) -> str:
    if folder not in _unpacked:
        _unpacked[folder] = tempfile.mkdtemp(prefix="dropbench-code-")
        atexit.register(shutil.rmtree, _unpacked[folder], ignore_errors=True)
    for name, text in files.items():
        place = Path(_unpacked[folder], name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return _unpacked[folder]
