from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench.report.statistics.interval import confidence


@pytest.mark.parametrize(
    ("alpha", "told"), [(0.05, "95 %"), (0.003, "99.7 %"), (0.0004, "99.96 %"), (1e-5, "99.999 %"), (0.0, "100 %")]
)
def test_a_level_in_words(alpha: float, told: str) -> None:
    assert confidence(alpha) == told


@given(st.floats(1e-12, 0.5))
def test_no_interval_that_can_miss_is_said_to_hold_always(alpha: float) -> None:
    assert 50 <= float(confidence(alpha).removesuffix(" %")) < 100
