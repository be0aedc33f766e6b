"""Sweeps that were hardly meant as such."""

from __future__ import annotations

from pathlib import Path

import pytest

from dropbench.config.compose import Composer
from dropbench.errors import UsageError
from dropbench.planning.expand import one_point, points
from dropbench.planning.plan import make

CSV = "data=csv"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (
            [CSV, "data.drop=customer,date"],
            "for one list write 'data.drop=[customer,date]', and to compare lists 'data.drop=[customer],[date]'",
        ),
        ([CSV, "data.ids=a,b"], "write 'data.ids=[a,b]'"),
        ([CSV, "data.categorical=a,b", "model=mlp,realmlp"], "write 'data.categorical=[a,b]'"),
        (["model.widths=64,64"], "write 'model.widths=[64,64]'"),
        (["dropout.placement=hidden.0,hidden.1"], "write 'dropout.placement=[hidden.0,hidden.1]'"),
        (["train.decay_exempt=vectors,head.*"], "write 'train.decay_exempt=[vectors,head.*]'"),
        (["metric=loss,accuracy"], "write 'metric=[loss,accuracy]'"),
        (["dropout=none,own", CSV, "data.drop=a,b"], "write 'data.drop=[a,b]'"),
        ([CSV, "data.drop=a", "data.drop=b"], "'data.drop' is given more than once; write 'data.drop=[a,b]'"),
        (
            ["dropout.rates=input:0.2", "dropout.rates=h:0.5"],
            "write 'dropout.rates={input:0.2,h:0.5}', with the quotes",
        ),
        (["dropout=None,0.3"], "rates go to dropout.rate; write dropout.rate=0,0.3"),
        (["dropout=none,standard,0.3"], "write dropout=none,standard dropout.rate=0.3"),
        (["dropout.rate=0,05"], "write dropout.rate=0.05"),
        (["train.batch_size=1,024"], "write train.batch_size=1024"),
        (["seeds=5"], "'seeds' is not a key here; write 'seed=range(0,5)'"),
        (["n_seeds=5"], "write 'seed=range(0,5)'"),
        (["runs=0,1,2"], "write seed=0,1,2"),
        (["seeds=[0,1]"], "write seed=0,1"),
    ],
)
def test_what_was_meant_is_told(c: Composer, typed: list[str], meant: str) -> None:
    for read in (points, one_point):
        with pytest.raises(UsageError) as error:
            read(typed, c)
        assert meant in str(error.value)


@pytest.mark.parametrize(
    ("typed", "runs"),
    [
        ([CSV, "data.drop=[customer],[date]"], 2),
        ([CSV, "data.ids=null,a"], 2),
        ([CSV, "data.drop=choice(a,b)"], 2),
        (["model.widths=[64],[64,64]"], 2),
        (["dropout.placement=null,[hidden.0]"], 2),
        (["regularizer=mixup,sam"], 2),
        (["dropout=none,standard", "dropout.rate=0.1,0.2"], 4),
        (["train.weight_decay=0,1", "seed=0,1"], 4),
        (["seed=range(0,3)"], 3),
    ],
)
def test_sweeps_that_are_meant_stay_sweeps(c: Composer, typed: list[str], runs: int) -> None:
    assert len(points(typed, c)) == runs


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["dropout.rate=0,3"], "it must be below 1; if 0,3 is one number, write dropout.rate=0.3, with a point"),
        (["train.lr=0,1"], "it must be above 0; if 0,1 is one number, write train.lr=0.1, with a point"),
        (
            ["study=three_arm", "study.target.rate=0,5"],
            "if 0,5 is one number, write study.target.rate=0.5, with a point",
        ),
    ],
)
def test_a_refused_sweep_may_be_a_decimal_comma(c: Composer, typed: list[str], said: str) -> None:
    with pytest.raises(UsageError) as error:
        make(typed, c)
    assert said in str(error.value)


def test_a_single_run_may_have_a_decimal_comma_too(c: Composer) -> None:
    with pytest.raises(UsageError, match=r"if 0,3 is one number, write dropout\.rate=0\.3, with a point"):
        one_point(["dropout.rate=0,3"], c)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("dropout.rate=30", "dropout.rate=30: it must be below 1; did you mean 0.3?"),
        ("dropout.rates={input: 20}", "dropout.rates.input=20: it must be below 1; did you mean 0.2?"),
        ("data.val_fraction=20", "data.val_fraction=20: it must be below 1; did you mean 0.2?"),
        ("model.widths=64", "model.widths=64: it must be a list, such as [a,b]; write [64]"),
        ("dropout=None", "dropout=None: there is no such dropout; here it is called dropout=none"),
        ("model=MLP", "model=MLP: there is no such model; here it is called model=mlp"),
        ("study=three-arm", "study=three-arm: there is no such study; here it is called study=three_arm"),
        ("study=rates", "study=rates: there is no such study; here it is called study=claims/rates"),
    ],
)
def test_one_value_that_is_nearly_right(c: Composer, typed: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        make([typed], c)
    assert str(error.value) == said


def test_studies_in_folders_are_not_all_listed(c: Composer) -> None:
    with pytest.raises(UsageError) as error:
        make(["study=nothing_like_it"], c)
    assert "three_arm" in str(error.value) and "claims/" not in str(error.value)


def test_a_mistyped_key_comes_before_the_key_of_another_option(c: Composer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'data\.groups' is not a key here; did you mean 'data\.group'\?"):
        make([CSV, "data.groups=customer"], c)
    with pytest.raises(UsageError, match=r"'data\.groups' is not a key of data=digits; it belongs to data=correlated"):
        make(["data.groups=customer"], c)
