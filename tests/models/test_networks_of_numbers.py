"""Networks as they are that predict a number: how it may lie in what they give, and what they are told where it does not."""

from __future__ import annotations

import pytest
from training import Trained, differences, made_table, make_spec

from dropbench.data.base import Table
from dropbench.engine.user_module import Plain
from dropbench.errors import UsageError
from dropbench.planning.outline import outline
from dropbench.spec import RunSpec

HOST = "dropbench.models.module.Module"


def numbers(n: int = 61) -> Table:
    """With 33 rows to train on, so that the last batch of 32 is a single example."""
    made = made_table(n)
    return Table("made", made.x, made.x.sum(1), "F", 1, task="regress")


def spec(name: str, rate: float = 0.3, seed: int = 0, loss: str = "mse", **args: object) -> RunSpec:
    options = {"target": f"plain_networks.{name}", "args": args}
    split = {"n_train": 33}
    return make_spec(
        HOST, options=options, rate=rate, seed=seed, split=split, metrics=("loss", "rmse"), loss=loss, batch_size=32
    )


def test_a_number_without_an_axis_of_its_own_has_the_same_bits_alone_and_in_company() -> None:
    specs = [spec("Averaged", rate, seed) for rate in (0.0, 0.5) for seed in (0, 1)]
    together = Trained(*specs, table=numbers())
    assert not isinstance(together.cohort.replicas.model, Plain)
    assert together.cohort.replicas.batches.part_sizes()["train"] % 32 == 1
    for run in specs:
        assert not differences(run, together, Trained(run, table=numbers()))


@pytest.mark.parametrize("squeezed", ["last", "every"])
def test_a_squeezed_number_learns_as_one_with_its_axis(squeezed: str) -> None:
    """The last batch of an epoch is a single example, whose number has no axis at all when every axis of one is squeezed."""
    run, column = spec("Number", squeezed=squeezed), spec("Number", squeezed="no")
    assert Trained(run, table=numbers())[run].metrics == Trained(column, table=numbers())[column].metrics


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (
            spec("perceptron", num_classes=4),
            r"returns outputs of shape \[B, 4\], but the task is regression: type model.args.num_classes=1$",
        ),
        (spec("Fixed5"), r"\[B, 7\], but the task is regression: return one number per example, \[B\] or \[B, 1\]$"),
        (spec("Cubes"), r"\[B, 1, 1\], but the task is regression: return one number per example, \[B\] or \[B, 1\]$"),
        (
            spec("Number", loss="gaussian"),
            r"\[B\], but train.loss=gaussian needs a number and its variance: return two numbers per example, \[B, 2\]$",
        ),
    ],
)  # fmt: skip
def test_outputs_that_do_not_fit_are_told_of_numbers(run: RunSpec, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as told:
        outline(run.model, numbers(), run.train.says_variance)
    assert "class" not in str(told.value).replace("num_classes", "")
