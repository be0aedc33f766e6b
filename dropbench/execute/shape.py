"""A key for runs with the same cost on this machine, so that a measurement of one holds for the others."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from dropbench.execute.cohorts import Cohort, kinds
from dropbench.hardware.blas import OPENBLAS, chosen
from dropbench.settings import Settings

_TELLING = ("batch_size", "optimizer", "momentum", "grad_clip", "max_norm", "precision", "augment")


def shape_key(group: Cohort, settings: Settings, device: str, workers: int) -> str:
    """Returns a hash of everything that a step's time and memory depend on; not of rates, seeds or the number of epochs."""
    spec, outline = group.specs[0], group.outline
    train = {k: v for k, v in spec.train.model_dump(mode="json").items() if k in _TELLING}
    runs = [spec.model.model_dump(mode="json"), kinds(group.specs), train, outline.shape, outline.n_classes]
    machine = [
        processor(),
        os.cpu_count(),
        device,
        workers,
        settings.execute.threads,
        version("torch"),
        chosen() == OPENBLAS,
    ]
    return hashlib.sha256(json.dumps([runs, machine], sort_keys=True).encode()).hexdigest()[:16]


@cache
def processor() -> str:
    """Returns the name of the processor, as exactly as the system reports it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line
    return platform.processor() or platform.machine()
