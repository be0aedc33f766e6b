"""Named tensors as bytes and back: the safetensors format, which can hold numbers and nothing that runs.

Beside the tensors stands a plain tree that says what they are. It is one text in the file's head: safetensors writes several in
an order that changes from one process to the next, and the same content is to be the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from dropbench.store import files, safely

_KEY = "dropbench"
_LENGTH = 8
"""Bytes at the beginning of a file that give the length of its head."""
_MOST = 64 << 30
"""Bytes of a file: far above any network that is trained here."""
_NOT_OURS = "it is no file of tensors that dropbench wrote, or was cut short"


class Damaged(ValueError):
    """A file of tensors that cannot be read: half a sentence that says why."""


def dumped(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> bytes:
    """Tensors by name, of whatever device, and a tree of JSON values about them."""
    # Copies: safetensors refuses tensors that lie in one another's memory, as the replicas of a stack do.
    held = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    return save(held, {_KEY: json.dumps(about, sort_keys=True)})


def loaded(content: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the tree about them.

    Raises
    ------
    Damaged
        For bytes that `dumped` did not give.
    """
    told = _about(content)
    try:
        return load(content), told
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise Damaged(_NOT_OURS) from error


def write(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Writes or replaces a file in one step, and waits until it is on the disk."""
    files.write_file(path, dumped(tensors, about))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write` wrote.

    Raises
    ------
    Damaged
        Where it is not a file, cannot be read, or holds something else.
    """
    return loaded(_content(path))


def read_about(path: Path) -> dict[str, Any]:
    """The tree about the tensors of a file. Raises Damaged as `read` does."""
    return _about(_content(path))


def _about(content: bytes) -> dict[str, Any]:
    length = int.from_bytes(content[:_LENGTH], "little")
    try:
        about = json.loads(json.loads(content[_LENGTH : _LENGTH + length])["__metadata__"][_KEY])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Damaged(_NOT_OURS) from error
    if not isinstance(about, dict):
        raise Damaged(_NOT_OURS)
    return about


def _content(path: Path) -> bytes:
    try:
        return safely.content(path, _MOST)
    except OSError as error:
        raise Damaged(f"it cannot be read: {error.strerror}") from error
