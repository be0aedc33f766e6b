"""Hashes the code of a user's parts, so that an edited model counts as another model.

A hash covers the module of a part and all that it imports from the same root, the folder on `sys.path` in which it was found,
without comments, blank lines and docstrings. Installed packages count by their versions, except for Python's own modules,
torch, NumPy and dropbench, whose versions are in every record anyway.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import io
import sys
import tokenize
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from types import CodeType
from typing import TypeVar

from dropbench.config.options import conf_dir, options
from dropbench.errors import UsageError
from dropbench.identity import OURS, OWN
from dropbench.spec import Component

Part = TypeVar("Part", bound=Component)
_KNOWN = {"dropbench", "torch", "numpy", "__future__"}


def with_source(group: str, part: Part, extra: Sequence[Path]) -> Part:
    """Returns the part with the hash of its source if its class is a user's, or its option is in one of the user's folders."""
    file = options(group, tuple(extra)).get(part.name) if extra else None
    if part.code.startswith(OWN) and (file is None or file.is_relative_to(conf_dir())):
        return part
    return part.model_copy(update={"source": source_hash(part.code)})


@cache
def source_hash(target: str) -> str:
    """Returns 12 hex digits of the SHA-256 of the source of a user's class or function and of what it imports.

    Parameters
    ----------
    target : str
        Its import path.

    Raises
    ------
    UsageError
        If a source cannot be read.
    """
    return OURS if target.startswith(OWN) else text_hash(target)  # parts of dropbench are identified by their version


def text_hash(target: str) -> str:
    """Returns such a hash for any function; for one of dropbench's own it covers only the modules of its package."""
    module = target.rpartition(".")[0]
    package = module.rpartition(".")[0] if target.startswith(OWN) else ""
    root = _root(module)
    if root is None:
        return hashlib.sha256(_installed(module).encode()).hexdigest()[:12]
    digest = hashlib.sha256()
    below, packages = _reached(module, root, package)
    for name in sorted(below):
        digest.update(f"{name}\0{below[name]}\0".encode())
    for name in sorted(packages):
        digest.update(f"{_installed(name)}\0".encode())
    return digest.hexdigest()[:12]


def _reached(module: str, root: Path, package: str = "") -> tuple[dict[str, str], set[str]]:
    """Returns the bare texts of a module and of all that it imports below `root`, by name, and the other packages it imports.

    package: if given, only modules of this package are followed.
    """
    below: dict[str, str] = {}
    packages: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in below:
            continue
        if (file := _below(name, root)) is None:
            packages.add(name.partition(".")[0])
            continue
        try:
            text = file.read_text(encoding="utf-8")
            below[name], tree = bare(text), ast.parse(text)
        except (OSError, SyntaxError, UnicodeDecodeError) as error:
            raise UsageError(f"_target_: {module}: its source {file} cannot be read: {error}") from error
        parents = [name.rpartition(".")[0]] if "." in name else []  # a package runs before its modules do
        here = name if file.name == "__init__.py" else name.rpartition(".")[0]
        found = (*parents, *_imports(tree, here, root))
        waiting += [n for n in found if n not in below and (n + ".").startswith(f"{package}." if package else "")]
    return below, {p for p in packages if p not in _KNOWN and p not in sys.stdlib_module_names}


def _imports(tree: ast.Module, package: str, root: Path) -> Iterator[str]:
    """Yields every module that a source imports anywhere in it; for `from a import b` also a.b if that is a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                yield base
            for name in (f"{base}.{alias.name}".lstrip(".") for alias in node.names):
                if _below(name, root) is not None:
                    yield name


def own_files(target: str) -> tuple[Path, list[str]] | None:
    """Returns the root folder of a user's part and the files in it that its hash covers, or None if the part is installed.

    Raises UsageError if they cannot be read.
    """
    module = target.rpartition(".")[0]
    if target.startswith(OWN) or (root := _root(module)) is None:
        return None
    files = [_below(name, root) for name in _reached(module, root)[0]]
    return root, sorted(str(file.relative_to(root)) for file in files if file is not None)


def check_imported(target: str) -> None:
    """Raises UsageError if the file of a part has changed since this process imported it, because it would train the old code.

    This cannot happen to a command, but to a long Python session during which files are edited.
    """
    module = target.rpartition(".")[0]
    if target.startswith(OWN) or (root := _root(module)) is None:
        return
    for name in _reached(module, root)[0]:
        file = _below(name, root)
        assert file is not None
        if _outdated(name, file.read_text(encoding="utf-8"), file):
            raise UsageError(
                f"the module {name} has changed since this process imported it ({file}): call importlib.reload({name}) or "
                "start a new process, so that the code in the file is what is trained"
            )


def _outdated(name: str, text: str, file: Path) -> bool:
    """Returns whether a module was imported with other code than its file has now."""
    if (module := sys.modules.get(name)) is None:
        return False
    known = set(_codes(compile(text, str(file), "exec", dont_inherit=True)))
    classes = [c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == name]
    functions = [f for owner in (module, *classes) for f in vars(owner).values() if inspect.isfunction(f)]
    return any(Path(f.__code__.co_filename) == file and f.__code__ not in known for f in functions)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def bare(text: str) -> str:
    """Returns a source without comments, docstrings, blank lines and trailing space, so that only the code counts.

    They are cut out of the text by their positions, so that the result does not depend on the version of Python.
    """
    # Lines end as in ast and tokenize; `splitlines` would also end a line at a form feed.
    lines = [line.encode() for line in text.split("\n")]
    for first, start, last, end in sorted({*_comments(text), *_docstrings(ast.parse(text))}, reverse=True):
        lines[first:last] = [lines[first][:start] + lines[last - 1][end:], *[b""] * (last - first - 1)]
    return "\n".join(line.rstrip().decode() for line in lines if line.strip())


def _comments(text: str) -> Iterator[tuple[int, int, int, int]]:
    """Yields for each comment its line from 0 and first byte in it, the line after it, and the byte at which it ends."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            start = len(token.line[:column].encode())
            yield row - 1, start, row, start + len(token.string.encode())


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, int, int, int]]:
    """Yields the same positions for the docstrings of a module and of its classes and functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if ast.get_docstring(node, clean=False) is not None:
                yield first.lineno - 1, first.col_offset, first.end_lineno or 0, first.end_col_offset or 0


def _root(module: str) -> Path | None:
    """Returns the folder of sys.path that contains a module, or None if the module is installed or not found."""
    roots = (Path(entry or ".").resolve() for entry in sys.path)
    root = next((r for r in roots if _below(module, r) is not None), None)
    return None if root is None or "site-packages" in root.parts else root


def _below(module: str, root: Path) -> Path | None:
    path = root.joinpath(*module.split("."))
    return next((f for f in (path / "__init__.py", path.with_suffix(".py")) if f.is_file()), None)


def _installed(module: str) -> str:
    """Returns `name==version` of the package that a module belongs to."""
    top = module.partition(".")[0]
    names = packages_distributions().get(top, [top])
    try:
        return " ".join(f"{name}=={version(name)}" for name in sorted(set(names)))
    except PackageNotFoundError:
        return f"{top}==unknown"
