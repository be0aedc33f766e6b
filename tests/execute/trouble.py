"""A metric of a user's that makes trouble: memory that runs out, processes that die, code that never returns."""

from __future__ import annotations

from pathlib import Path

_MODULE = '''
import os
import signal
import time

from dropbench.metrics.accuracy import accuracy


def trouble(logits, targets, *, what: str, above: int, classes: int, mark: str):
    """Acts in a stack of more than `above` runs, on data with that many classes (0: any); once where `mark` names a file."""
    if logits.shape[0] > above and classes in (0, logits.shape[-1]) and not (mark and os.path.exists(mark)):
        if mark:
            open(mark, "w").close()
        if what == "memory":
            raise MemoryError("no room")
        if what == "torch":
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried")
        if what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "exit":
            os._exit(7)
        if what == "raise":
            raise RuntimeError("broken")
        if what == "wait":  # and is waited for: whoever reads the file knows which process it is
            open(mark, "w").write(str(os.getpid()))
            time.sleep(2)
        if what == "hang":
            open(f"hanging-{os.getpid()}", "w").close()
            time.sleep(3600)
    return accuracy(logits, targets)
'''
_OPTION = (
    "# Makes trouble\ntrouble:\n  _target_: my_trouble.trouble\n  name: trouble\n  what: ''\n"
    "  above: 0\n  classes: 0\n  mark: ''\n"
)


def bring_trouble(folder: Path) -> None:
    """Adds the metric `trouble` to a user's folder."""
    (folder / "my_trouble.py").write_text(_MODULE, encoding="utf-8")
    (folder / "metric" / "trouble.yaml").write_text(_OPTION, encoding="utf-8")


def trouble(what: str, **options: object) -> list[str]:
    """The words that ask for it."""
    given = [f"metric.trouble.{key}={value}" for key, value in options.items()]
    return ["metric=[loss,accuracy,trouble]", f"metric.trouble.what={what}", *given]
