"""The variant of an arm, and its rates."""

from __future__ import annotations

import pytest
from specs_kit import spec_and_settings

from dropbench.config.compose import Composer
from dropbench.dropout.standard import Standard
from dropbench.errors import UsageError
from dropbench.planning.outline import outline
from dropbench.planning.sources import load
from dropbench.planning.variants import arm_rates, variant
from dropbench.spec import DropoutSpec


def test_rates_of_an_arm(c: Composer) -> None:
    spec, settings = spec_and_settings(c, "dropout.rates={input: 0.1}", "dropout.rate=0.4", "model.widths=[4,4]")
    found = outline(spec.model, load(spec.data, settings))
    assert arm_rates(spec.dropout, found.sites) == {"input": 0.1, "hidden.0": 0.4, "hidden.1": 0.4}


class OnWeights(Standard):
    """Says where it acts, and lacks what acting there takes."""

    kinds = frozenset({"weight"})


def test_a_variant_of_weights_has_the_methods_for_it() -> None:
    mine = DropoutSpec(name="mine", _target_=f"{__name__}.OnWeights")
    with pytest.raises(UsageError, match=r"dropout=mine: .*subclass of dropbench\.dropout\.base\.AtWeights"):
        variant(mine)
