"""Sites: what a place for noise is."""

from __future__ import annotations

import pytest

from dropbench.sites import Site


def test_a_site_has_a_letter_for_each_entry_of_its_shape() -> None:
    with pytest.raises(ValueError, match="site x"):
        Site("x", "activation", (3, 4), "F")
