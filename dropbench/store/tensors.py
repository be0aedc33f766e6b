"""Named tensors as bytes and back, in the safetensors format, which holds numbers and no code that could be executed.

A tree of plain values that describes the tensors is stored with them. It is a single text in the file's header, because
safetensors writes several texts in an order that varies between processes, and the same content must give the same bytes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.store import files, safely
from dropbench.store.safely import Damaged

if TYPE_CHECKING:
    from torch import Tensor

_KEY = "dropbench"
_MOST = 64 << 30
"""Largest size of a file in bytes: far above any network that is trained here."""
_NOT_OURS = "it is not a tensor file of dropbench, or was cut short"


def dumped(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> bytes:
    """Returns the bytes of a file with named tensors, from any device, and a tree of JSON values about them."""
    from safetensors.torch import save

    return save(_held(tensors), _said(about))


def write(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Writes or replaces a file in one step, and waits until it is on the disk. Raises OSError if it cannot be written.

    It is written directly from the tensors: bytes would take the same memory again, and without room for them safetensors ends
    the process.
    """
    held, said = _held(tensors), _said(about)

    def to(hidden: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        try:
            save_file(held, hidden, said)
        except SafetensorError as error:
            code = re.search(r"os error (\d+)", str(error))
            raise (
                OSError(int(code[1]), os.strerror(int(code[1])), str(path)) if code else OSError(str(error))
            ) from error
        files.sync_file(hidden)

    files.write_by(path, to)


def _held(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns copies, because safetensors refuses tensors that share memory, as the replicas of a stack do."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _said(about: Mapping[str, Any]) -> dict[str, str]:
    return {_KEY: json.dumps(about, sort_keys=True)}


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what `write` wrote: the tensors, on the CPU, and the tree about them.

    Raises
    ------
    Damaged
        If it is not a file, cannot be read, or holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    about = read_about(path)
    try:
        return load_file(path), about
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise Damaged(_NOT_OURS) from error


def read_about(path: Path) -> dict[str, Any]:
    """Reads the tree about the tensors of a file. It reads only the header and does not need torch.

    Raises
    ------
    Damaged
        As `read` does, and for a file that was cut short.
    """
    from safetensors import SafetensorError, safe_open

    try:
        safely.check(path, _MOST)
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})[_KEY])
    except SafetensorError as error:
        raise Damaged(_NOT_OURS) from error
    except OSError as error:
        raise Damaged(f"it cannot be read: {error.strerror or error}") from error
    except MemoryError as error:  # the header is small, but safetensors maps the whole file
        raise Damaged("there is not enough memory to read it") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Damaged(_NOT_OURS) from error
    if not isinstance(about, dict):
        raise Damaged(_NOT_OURS)
    return about
