"""Files of data sets that no library reads: finds them, downloads them on request, or says what to do."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from dropbench.errors import UsageError

_ELSEWHERE = "data.root=DIR or the environment variable DROPBENCH_DATA=DIR"


def folder_of(name: str, root: Path, files: Mapping[str, str], download: str | None, advice: str | None = None) -> Path:
    """Returns the folder `root`/`name` after making sure that all files of the data set are in it.

    Parameters
    ----------
    name : str
        Name of the data set.
    root : Path
        Folder of all data sets.
    files : mapping of str to str
        Name and md5 of each file. Only downloads are compared with the md5; the loader notices whether existing files are
        damaged.
    download : str or None
        Address from which missing files are downloaded; None if no download was requested.
    advice : str, optional
        What to do about a missing file that dropbench cannot download.

    Raises
    ------
    UsageError
        If a file is missing and must not or cannot be downloaded.
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
                f"data '{name}' is not in {root.absolute()} (no {name}/{file}): {advice}, or set its folder with "
                f"{_ELSEWHERE}"
            )
        _fetch(name, f"{download}/{file}", path, md5)
    return folder


def wrong(name: str, folder: Path, what: str) -> UsageError:
    """Returns the error for damaged files.

    Parameters
    ----------
    what : str
        What the files in `folder` should contain; it follows "do not contain".
    """
    return UsageError(f"data '{name}': the files in {folder} do not contain {what}: replace them by undamaged files")


def _fetch(name: str, address: str, path: Path, md5: str) -> None:
    try:
        with urllib.request.urlopen(address, timeout=60) as response:
            content: bytes = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise UsageError(
            f"data '{name}' could not be downloaded from {address}: check the network, or copy it to {path}, or "
            f"set its folder with {_ELSEWHERE} ({error})"
        ) from error
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise UsageError(
            f"data '{name}': the download from {address} is not the expected file (md5 {md5}): copy the right file to {path}"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        raise UsageError(
            f"data '{name}' cannot be saved in {path.parent} ({error.strerror}): choose another folder with {_ELSEWHERE}"
        ) from error
