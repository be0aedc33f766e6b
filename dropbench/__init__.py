"""Answers by experiment whether dropout helps on a model and data: which kind, at what rate, where, and how sure that is.

After `import dropbench as db`, the functions are `db.sweep`, `db.train`, `db.advise`, `db.report`, `db.load`, `db.history`
and `db.load_model`; the first four correspond to commands. See docs/python.md.
"""

from __future__ import annotations

import dropbench.process.early  # before all others, which take time

# isort: split
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dropbench.errors import UsageError
from dropbench.hardware import torchvision
from dropbench.hardware.blas import settle

if TYPE_CHECKING:
    from dropbench.api.advising import Advised, advise
    from dropbench.api.answer import Answer
    from dropbench.api.loading import load_model
    from dropbench.api.reading import history, load, report
    from dropbench.api.run import Run
    from dropbench.api.training import sweep, train

__all__ = [
    "Advised",
    "Answer",
    "Run",
    "UsageError",
    "advise",
    "history",
    "load",
    "load_model",
    "report",
    "sweep",
    "train",
]

_FILES = {
    "api.advising": ("Advised", "advise"),
    "api.answer": ("Answer",),
    "api.loading": ("load_model",),
    "api.reading": ("history", "load"),
    "api.run": ("Run",),
    "api.training": ("sweep", "train"),
}
"""The public names by the module that defines them. They are imported on first use, because most need torch, pandas or Hydra,
which are slow to import."""

settle()
torchvision.watch()


def __getattr__(name: str) -> Any:
    for file, names in _FILES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{file}"), name)
    raise AttributeError(f"module 'dropbench' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Callable(ModuleType):
    # A package that can be called: `dropbench.report` is both the package with the code and the function `report`. So this
    # class has no docstring of its own: `help(db.report)` shows the function's.

    __doc__ = property(lambda self: import_module("dropbench.api.reading").report.__doc__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return import_module("dropbench.api.reading").report(*args, **kwargs)

    @property
    def __signature__(self) -> Any:
        from inspect import signature

        return signature(import_module("dropbench.api.reading").report)


if not TYPE_CHECKING:
    import dropbench.report  # noqa: F401  imported here, which is cheap, so that it is callable whoever imports it first

    sys.modules["dropbench.report"].__class__ = _Callable
