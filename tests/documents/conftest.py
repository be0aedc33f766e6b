"""The folder in which the documents' examples are run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import worlds

from dropbench.config import parts
from dropbench.planning import advising


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the worlds, on a simulated machine with only a CPU; modules of the examples are unloaded afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        patch.setattr(torch.backends.mps, "is_available", lambda: False)
        patch.setattr(sys, "path", list(sys.path))
        patch.setattr("dropbench.hardware.device.resolve_workers", lambda settings, device: 1)
        # Other tests check estimates of durations, and plans of 400 seeds.
        patch.setattr("dropbench.execute.estimate.Durations._time", lambda self, cohort: 1.0)
        protocol = advising.Protocol
        patch.setattr(advising, "Protocol", lambda *given: protocol(*given[:4], at_most=10))
        yield tmp_path_factory.mktemp("worlds")
    names = {Path(block.file or "").parts[-1].removesuffix(".py") for block in worlds.shown_files()} | {"mypkg"}
    for name in [module for module in sys.modules if module.partition(".")[0] in names]:
        del sys.modules[name]
    parts._options_model.cache_clear()  # other tests have modules with the same names
