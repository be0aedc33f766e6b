"""Why an arm cannot be."""

from __future__ import annotations

import pytest
from specs_kit import spec_and_settings

from dropbench.config.compose import Composer
from dropbench.planning.checks import check
from dropbench.planning.outline import outline
from dropbench.planning.sources import load


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["dropout=none"], None),
        (["dropout=spatial"], "dropout=spatial has no site in model=mlp: it drops whole feature maps"),
        (
            ["dropout.placement=[-*]"],
            "dropout.placement=[-*] leaves dropout=standard no site in model=mlp; give it at least one of input, hidden.0",
        ),
        (["dropout.placement=[nowhere]"], "dropout.placement: no site here fits 'nowhere'"),
        (["data.n_train=5000"], "data.n_train=5000 is too many"),
        (["data=wine", "train.augment.flip=0.5"], "train.augment works on images"),
    ],
)
def test_why_not(c: Composer, words: list[str], reason: str | None) -> None:
    spec, settings = spec_and_settings(c, *words)
    table = load(spec.data, settings)
    told = check(spec, table, outline(spec.model, table))
    assert told == reason or (reason is not None and told is not None and told.startswith(reason))


@pytest.mark.parametrize(("size", "fits"), [(1, False), (2, False), (3, True)])
def test_batch_norm_needs_a_batch(c: Composer, size: int, fits: bool) -> None:
    spec, settings = spec_and_settings(c, "model.batch_norm=before_activation", f"train.batch_size={size}")
    table = load(spec.data, settings)
    reason = check(spec, table, outline(spec.model, table))
    assert (reason is None) is fits
    assert fits or f"train.batch_size={size} is too small for batch norm" in str(reason)
    plain, _ = spec_and_settings(c, f"train.batch_size={size}")
    assert check(plain, table, outline(plain.model, table)) is None
