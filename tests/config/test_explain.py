"""What was wrong with an override, and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from specs_kit import composed, spec_of

from dropbench.config.compose import Composer, composer
from dropbench.errors import UsageError


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["train.lr=${train.rate}"], "train.lr=${train.rate}: ${train.rate} refers to no key; `dropbench train --cfg`"),
        (["train.lr=${oc.env:ABSENT}"], "train.lr=${oc.env:ABSENT}: \"Environment variable 'ABSENT' not found\""),
        (["train.lr=${train.lr}"], "train.lr=${train.lr}: Recursive interpolation detected"),
        (["model.widths={a: 1}"], "model.widths={a:1}: it must be a list, such as [a,b]"),
        (["train.augment=[1]"], "train.augment=[1]: it must be a dict, such as {a: 1}"),
        (["model=mpl"], "model=mpl: there is no such model; did you mean 'mlp'"),
        (["metric=[loss,acuracy]"], "metric=acuracy: there is no such metric; did you mean 'accuracy'"),
        (["dropout=drop_path"], "dropout=drop_path: there is no such dropout; here it is called dropout="),
        (["trian.epochs=3"], "'trian.epochs' is not a key here; did you mean 'train.epochs'"),
        (["epochs=3"], "'epochs' is not a key here; write train.epochs=3"),
        (["rate=0.3"], "'rate' is not a key here; write dropout.rate=0.3"),
        (["study.target.rate=0.3"], "study.target.rate needs a study; add study="),
        (["dropout.rates.input=0.3"], "'dropout.rates.input' is not a key here; write 'dropout.rates={input: 0.3}'"),
        (
            ["dropout.block_size=3"],
            "'dropout.block_size' is not a key of dropout=standard; it belongs to dropout=dropblock",
        ),
        (["dropout=dropblock", "dropout.blok_size=3"], "'dropout.blok_size' is not a key here; did you mean"),
        (
            ["train.mixup=0.2"],
            "'train.mixup' is not a key here; mixup is a regularizer: type regularizer=[mixup] regular",
        ),
        (
            ["+train.sam=1"],
            "'train.sam' is not a key here; sam is a regularizer: type regularizer=[sam] regularizer.sam.rho=1",
        ),
        (
            ["mixup_alpha=0.2"],
            "'mixup_alpha' is not a key here; mixup is a regularizer: type regularizer=[mixup] regularize",
        ),
        (
            ["regularizer=[sam]", "train.cutmx=1"],
            "'train.cutmx' is not a key here; cutmix is a regularizer: type regularizer=[sam,",
        ),
        (["train.ema=true"], "'train.ema' is not a key here; ema is a regularizer: type regularizer=[ema]"),
        (["lasso=2"], "'lasso' is not a key here; l1 is a regularizer: type regularizer=[l1] regularizer.l1.alpha=2"),
        (
            ["regularizer.rho=1"],
            "'regularizer.rho' is not a key here; write the name of the regularizer before its option: regular",
        ),
        (
            ["regularizer=[mixup]", "regularizer.mixup.alfa=1"],
            "'regularizer.mixup.alfa' is not a key here; did you mean 'regularizer.mixup.alpha'",
        ),
        (["dropout=mixup"], "dropout=mixup: there is no such dropout; write regularizer=mixup instead"),
        (
            ["regularizer=[droppath]"],
            "regularizer=droppath: there is no such regularizer; write dropout=stochastic_depth in",
        ),
        (
            ["regularizer=weight_decay"],
            "regularizer=weight_decay: there is no such regularizer; write train.weight_decay=... in",
        ),
        (
            ["regularizer=[train.weight_decay]"],  # as `dropbench list regularizers` shows it
            "regularizer=train.weight_decay: there is no such regularizer; write train.weight_decay=... in",
        ),
        (["hydra.run.dir=x"], "hydra.run.dir=x: dropbench does not start Hydra jobs"),
    ],
)
def test_what_to_write_instead(c: Composer, overrides: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        spec_of(c, *overrides)
    assert str(error.value).startswith(sentence)


def test_a_wall_of_keys_is_not_printed(c: Composer) -> None:
    with pytest.raises(UsageError) as error:
        spec_of(c, "train.zzz=3")
    assert "`dropbench train --cfg` shows every key" in str(error.value) or len(str(error.value)) < 450


def test_own_options_are_among_those_proposed(mine: Path) -> None:
    # Ends the other composer: this test is the last.
    with composer([mine]) as own, pytest.raises(UsageError, match="did you mean 'half'"):
        composed(own, "dropout=hafl")
