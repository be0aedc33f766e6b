"""The linear model beside the tables with a rare class, in balanced accuracy, with the weights of the network's loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from own_tables import loaded

from benchmarks.rare_classes import _linear


def test_weights_of_classes_are_what_a_rare_class_needs(tmp_path: Path) -> None:
    """One in twenty, overlapping: without weights it is hardly ever answered, which accuracy would not mind."""
    generator = np.random.default_rng(0)
    y = (np.arange(600) % 20 == 0).astype(int)
    frame = pd.DataFrame({"a": generator.normal(size=600) + 1.2 * y, "b": generator.normal(size=600), "y": y})
    table = loaded(tmp_path, frame, task="classify")
    plain, weighted = ([_linear(table, seed, weights) for seed in range(3)] for weights in (False, True))
    assert np.mean(plain) == pytest.approx(0.5, abs=0.05)
    assert np.mean(weighted) > np.mean(plain) + 0.1
