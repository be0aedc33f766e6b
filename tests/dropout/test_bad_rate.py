"""A rate that is none is a sentence, before anything trains."""

from __future__ import annotations

import pytest
from noise_kit import VARIANTS
from specs_kit import composed

from dropbench.config.compose import Composer
from dropbench.errors import UsageError


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("rate", ["1", "-0.1", "nan", "inf", "half"])
def test_bad_rate(c: Composer, variant: str, rate: str) -> None:
    for key, text in (("dropout.rate", rate), ("dropout.rates", f"{{*: {rate}}}")):
        with pytest.raises(UsageError) as error:
            composed(c, f"dropout={variant}", f"{key}={text}")
        said = str(error.value)
        assert said.startswith(key) and rate in said and "\n" not in said and len(said) < 120


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("rate", ["0", "0.999"])
def test_the_ends_of_the_range_are_in_it(c: Composer, variant: str, rate: str) -> None:
    spec = composed(c, f"dropout={variant}", f"dropout.rate={rate}").spec
    assert spec.dropout.rate == (float(rate) if VARIANTS[variant].kinds else 0)
