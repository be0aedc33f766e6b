"""An answer by experiment: does dropout help on this model and data, which kind, at what rate, where, and how sure is that.

`import dropbench as db`; then `db.sweep`, `db.train`, `db.report`, `db.load`, `db.history` and `db.load_model` are the commands
of their names as functions: docs/python.md.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dropbench.errors import UsageError
from dropbench.hardware import torchvision
from dropbench.hardware.blas import settle

if TYPE_CHECKING:
    from dropbench.api.answer import Answer
    from dropbench.api.reading import history, load, report
    from dropbench.api.run import Run
    from dropbench.api.training import sweep, train
    from dropbench.execute.loading import load_model

__all__ = ["Answer", "Run", "UsageError", "history", "load", "load_model", "report", "sweep", "train"]

_FILES = {
    "api.answer": ("Answer",),
    "api.reading": ("history", "load"),
    "api.run": ("Run",),
    "api.training": ("sweep", "train"),
    "execute.loading": ("load_model",),
}
"""What is found here and where: late, for most of it needs torch, pandas or Hydra, for which nobody should wait."""

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
    """A package that is the function of its name too: `dropbench.report` holds the room, and is what one calls."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return import_module("dropbench.api.reading").report(*args, **kwargs)

    @property
    def __signature__(self) -> Any:
        from inspect import signature

        return signature(import_module("dropbench.api.reading").report)


if not TYPE_CHECKING:
    import dropbench.report  # noqa: F401  it loads nothing else, and could be imported by others first

    sys.modules["dropbench.report"].__class__ = _Callable
