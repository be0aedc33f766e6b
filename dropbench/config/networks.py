"""Checks `model.target` of model=module before it is called, because it can be typed on the command line.

It is the only import path that need not come from a file. So it may only name a subclass of nn.Module, a function that is
known to make one, or a function from a folder of the user, because any other installed function could do anything.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

from dropbench.config.kinds import installed, undecorated
from dropbench.config.parts import locate
from dropbench.errors import UsageError

_KEY = "model.target"
_MODULE = "torch.nn.modules.module.Module"
_FACTORIES = ("timm.create_model", "timm.models._factory.create_model", "torchvision.models.")
"""Functions of installed packages that make networks, or prefixes of their import paths."""
_FILE = re.compile(r"(.+)\.py(?:[:.](\w+))?", re.ASCII)
"""A file in place of a module, as in ./nets.py:Net."""
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)


def network_path(target: str) -> str:
    """Returns `pkg.mod.Name` for `pkg.mod:Name` or `pkg.mod.Name`. Raises UsageError for anything else."""
    path = str(target).replace(":", ".", 1)
    if found := _FILE.fullmatch(str(target)):
        file, name = Path(found[1]), found[2] or "Net"
        below = not file.is_absolute() and ".." not in file.parts
        module = ".".join(file.parts if below else file.parts[-1:])
        raise UsageError(
            f"{_KEY}={target} names a file; name its module, which is looked for in the working folder and in --conf folders: "
            f"{_KEY}={module}:{name}"
        )
    if not _NAME.fullmatch(path):
        raise UsageError(f"{_KEY}={target} is not an import path; write module:name, as in {_KEY}=mypkg.net:Net")
    return path


def reach_working_folder() -> None:
    """Makes files of the working folder importable, after installed packages."""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)


def network(path: str) -> Any:
    """Returns the class or function at an import path if it may make a network, without calling it.

    Raises
    ------
    UsageError
        If there is nothing at this path or it is something else.
    """
    found = locate(path, key=_KEY)
    if fault := _fault(found, path):
        raise UsageError(
            f"{_KEY}={path} {fault}; name a subclass of torch.nn.Module, timm:create_model, a function of torchvision.models "
            "or a function of your own that makes a network"
        )
    return found


def _fault(found: Any, path: str) -> str | None:
    if inspect.isclass(found):
        if not any(f"{c.__module__}.{c.__qualname__}" == _MODULE for c in found.__mro__):
            return "is not a subclass of torch.nn.Module"
        return None
    if not inspect.isfunction(undecorated(found)):
        return "is neither a class nor a function"
    defined = f"{undecorated(found).__module__}.{undecorated(found).__qualname__}"
    if installed(found) and not defined.startswith(_FACTORIES):
        return "is a function of an installed package that is not known to make networks"
    return None
