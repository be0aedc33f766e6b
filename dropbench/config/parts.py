"""Imports the class or function that a `_target_` names, and checks the options that are given to it."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import logging
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from dropbench.config.kinds import check_kind, undecorated
from dropbench.config.messages import invalid
from dropbench.errors import UsageError, nearest
from dropbench.identity import OWN
from dropbench.process.apart import PartDied, apart
from dropbench.process.blame import told
from dropbench.process.guarded import guarded

_MOST = 20
"""The most names of a module that a message lists."""
_SILENT = logging.NullHandler()
_tried: dict[str, PartDied | None] = {}
"""The user's parts whose import has been tried in another process, with the error if that process died."""


def forget_dead() -> None:
    """Forgets parts whose import killed the process, so that they are tried again; their files may have been repaired."""
    for target in [target for target, died in _tried.items() if died is not None]:
        del _tried[target]


def part_of(group: str, target: str) -> Any:
    """Returns the class or function that a `_target_` names if it can be a part of this group, without calling it.

    Raises
    ------
    UsageError
        If it cannot be imported, or is something else: see `kinds`.
    """
    found = locate(target)
    check_kind(group, target, found)
    return found


def locate(target: str, key: str = "_target_") -> Any:
    """Returns the class or function that a `_target_`, or another `key`, names.

    Raises
    ------
    UsageError
        If it cannot be imported, or belongs to Python's standard library. Nothing there is a part; some modules act as soon as
        they are imported, and most can do harm.
    """
    if _of_python(target.partition(".")[0]):
        raise UsageError(
            f"{key}: {target} is in Python's standard library and cannot be used; name a class or function of your own, "
            "in a module with another name"
        )
    found = _imported(target, key)
    defined = str(getattr(undecorated(found), "__module__", None) or "")
    if defined != "__main__" and _of_python(defined.partition(".")[0]):  # `__main__`: a program gave it as an object
        raise UsageError(
            f"{key}: {target} comes from Python's own module {defined} and cannot be used; name one of your own"
        )
    return found


def function_of(target: str, key: str) -> Callable[..., Any]:
    """Returns the function that a check or a program of a study names. Raises UsageError as `locate`, and for what is none."""
    found = locate(target, key)
    if not callable(found):
        raise UsageError(f"{key}: {target} is a {type(found).__name__}; name a function")
    return cast("Callable[..., Any]", found)


def _imported(target: str, key: str) -> Any:
    """Imports a target. A user's module may do anything when imported, so the first import is tried in another process."""
    if target.startswith(OWN) or target.rpartition(".")[0] in sys.modules:
        return _got(target, key)
    if target not in _tried:
        importlib.import_module("torch")  # a user's module will need it; imported here, the forked process has it too
        try:
            apart(target, f"{key}: importing {target}", lambda: _got(target, key) is None)
            _tried[target] = None
        except PartDied as error:
            _tried[target] = error
    if (died := _tried.get(target)) is not None:
        raise died
    with guarded():
        return _got(target, key)


def _got(target: str, key: str) -> Any:
    from hydra.utils import get_object

    # Hydra logs the errors that it raises, and a logger without a handler writes to the console. All calls add the same
    # handler: many handlers took most of the time of planning thousands of runs, because adding one searches the others.
    logging.getLogger("hydra.utils").addHandler(_SILENT)
    try:
        return get_object(target)
    except (ImportError, ValueError) as error:
        cause = error.__cause__ or error
        plain = isinstance(cause, ImportError | SyntaxError) or cause is error
        reason = _not_there(target) or (str(cause).splitlines()[0] if plain else told(cause, error))
        raise UsageError(f"{key}: {target} cannot be imported: {reason}") from error


def _not_there(target: str) -> str | None:
    """Returns that a module lacks a name, with the classes and functions that it has, or that there is no such module.

    None if the import failed for another reason.
    """
    module, _, name = target.rpartition(".")
    if (found := sys.modules.get(module)) is not None:
        public = [n for n, v in vars(found).items() if (inspect.isclass(v) or inspect.isroutine(v)) and n[0] != "_"]
        own = [n for n in public if getattr(vars(found)[n], "__module__", None) == module] or public
        names = own if len(own) <= _MOST else difflib.get_close_matches(name, own, n=_MOST, cutoff=0.4)
        return f"{module} has no '{name}'" + (f"; {nearest(name, names)}" if names else "")
    top = module.partition(".")[0]
    if top in sys.modules or importlib.util.find_spec(top) is not None:
        return None
    like = difflib.get_close_matches(top, [file.stem for file in Path.cwd().glob("*.py")], n=1)
    hint = f"; did you mean '{like[0]}'?" if like else ""
    return f"there is no module '{top}' in the working folder, a --conf folder or an installed package{hint}"


def _of_python(module: str) -> bool:
    return module in sys.stdlib_module_names or module in sys.builtin_module_names or module.startswith("__")


@cache
def _options_model(target: str) -> Any:
    """Returns a pydantic model of a target's keyword-only arguments, which are the options in its YAML, with their types."""
    from typing import get_type_hints

    from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, create_model

    part = locate(target)
    try:
        hints = get_type_hints(part.__init__ if inspect.isclass(part) else undecorated(part), include_extras=True)
        fields: dict[str, Any] = {
            name: (hints.get(name, Any), ... if p.default is p.empty else p.default)
            for name, p in inspect.signature(part).parameters.items()
            if p.kind is p.KEYWORD_ONLY
        }
        config = ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False)
        return create_model("Options", __config__=config, **fields)
    except (NameError, TypeError, PydanticUserError, PydanticSchemaGenerationError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"_target_: the options of {target} cannot be checked: {reason}; annotate its keyword-only arguments with types "
            "that can be resolved at run time, such as int, float, str or list[int]"
        ) from error


def checked_options(group: str, target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `given` checked against the target's annotations, converted to their types, with defaults filled in."""
    from pydantic import ValidationError

    try:
        return dict(_options_model(target).model_validate(dict(given)).model_dump(mode="json"))
    except ValidationError as error:
        raise invalid(group, error, list(_options_model(target).model_fields)) from error
