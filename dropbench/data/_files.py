"""Small files of data sets that no library reads: found, fetched, or the sentence that says what to do."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from dropbench.errors import UsageError

_ELSEWHERE = "data.root=DIR or the environment variable DROPBENCH_DATA=DIR"


def found(name: str, root: Path, files: Mapping[str, str], download: str | None, advice: str | None = None) -> Path:
    """The folder `root`/`name`, once all of `files` are in it: their names, and the md5 of each.

    download: the address that missing files are fetched from, checked and kept; None: not asked for. The md5 is that
    of what is fetched: files that are there are the loader's to judge.
    advice: what to do about a missing file that dropbench does not download.

    Raises UsageError where a file is missing or cannot be fetched.
    """
    root = root.expanduser()
    folder = root / name
    for file, md5 in files.items():
        path = folder / file
        if os.path.isfile(path):
            if not os.access(path, os.R_OK):
                raise UsageError(f"data '{name}' in {root.absolute()}: permission denied for {path}")
            continue
        if download is None:
            advice = advice or "download it with data.download=true"
            raise UsageError(
                f"data '{name}' is not in {root.absolute()} (no {name}/{file}): {advice}, or say where it is with "
                f"{_ELSEWHERE}"
            )
        _fetch(name, f"{download}/{file}", path, md5)
    return folder


def wrong(name: str, folder: Path, what: str) -> UsageError:
    """`what` these files should hold and do not."""
    return UsageError(f"data '{name}': the files in {folder} do not hold {what}: put undamaged ones in their place")


def _fetch(name: str, address: str, path: Path, md5: str) -> None:
    try:
        with urllib.request.urlopen(address, timeout=60) as response:
            content: bytes = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise UsageError(
            f"data '{name}' could not be downloaded from {address}: is there a network? otherwise copy it to {path}, or "
            f"say where it is with {_ELSEWHERE} ({error})"
        ) from error
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise UsageError(
            f"data '{name}': what {address} gave is not the file that it should be (md5 {md5}): copy that to {path}"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        raise UsageError(
            f"data '{name}' cannot be kept in {path.parent} ({error.strerror}): choose another folder with {_ELSEWHERE}"
        ) from error
