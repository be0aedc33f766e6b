"""conf/ as groups of options."""

from __future__ import annotations

from dropbench.config.options import GROUPS, options


def test_every_group_has_options_without_the_parts_of_others() -> None:
    for group in GROUPS:
        assert options(group)
        assert not any(name.startswith("_") for name in options(group))
