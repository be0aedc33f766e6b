"""A diagnosis that is right in both settings, in one and in none; and one that is made."""

from __future__ import annotations

import pytest

from dropbench.programs import protocol
from dropbench.programs.protocol import HARMS, HELPS, OVERFITS, UNDERFITS, diagnosed, told_apart


@pytest.mark.parametrize(
    ("over", "under", "number"),
    [
        ({HELPS}, {HARMS}, 0.5),
        ({HELPS, "slower but not worse"}, {HARMS}, 0.5),
        ({HELPS}, {HELPS}, 0.0),
        ({HELPS, HARMS}, {HARMS}, 0.0),
        (set(), {"undecided"}, -0.5),
        ({HARMS}, {HELPS}, -0.5),
    ],
)
def test_it_is_the_share_that_is_right_less_one_half(
    monkeypatch: pytest.MonkeyPatch, over: set[str], under: set[str], number: float
) -> None:
    told = {OVERFITS: over, UNDERFITS: under}
    monkeypatch.setattr(protocol, "diagnosed", lambda seed, setting: told[setting])
    assert told_apart(0) == number


@pytest.mark.slow
def test_a_network_that_underfits_is_found_to_have_too_much() -> None:
    assert HARMS in diagnosed(900, UNDERFITS) and HELPS in diagnosed(900, OVERFITS)
