"""Seeds the random numbers that a user's module draws itself, such as those of `nn.Dropout`, at every step.

The draws of a step follow from the run's seed and the step's number alone. So a run is reproducible from its configuration,
even if it continues after an interruption, because the step's number is a buffer of the model and is saved with the others.
In evaluation a module should not draw; one that does gets the same draws in every pass.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import torch
from torch import nn

from dropbench.engine.user_module import Ordinary
from dropbench.sites.own_draws import seeded

_TRAINING, _EVALUATION = 0, 1
ALONE = "it draws its own random numbers; only noise(site, x) draws for each run separately"
"""The reason why such a run trains alone, in messages."""


def follow(model: nn.Module, seed: int, device: torch.device) -> None:
    """Adds hooks to a stack of one that seed all generators from the run's seed before each call and restore them after it."""
    model.register_buffer("own_step", torch.zeros(1, dtype=torch.int64, device=device))
    model.own_seed, model.own_device = seed, str(device)  # type: ignore[assignment]
    model.register_forward_pre_hook(_begin)
    model.register_forward_hook(_end, always_call=True)


def draw_seed(seed: int, phase: int, step: int) -> int:
    """Returns the seed for the draws of one training step (phase 0), or of every evaluation pass (phase 1)."""
    sequence = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(b"module"), phase, step))
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def _begin(model: Any, given: object) -> None:
    step = int(model.own_step) if model.training else 0
    if model.training:
        model.own_step += 1
    module = model.lent if isinstance(model, Ordinary) else model
    seed = draw_seed(model.own_seed, _TRAINING if model.training else _EVALUATION, step)
    model.own_draws = seeded(seed, module, model.own_device)
    model.own_draws.__enter__()


def _end(model: Any, given: object, output: object) -> None:
    model.own_draws.__exit__(None, None, None)
    del model.own_draws
