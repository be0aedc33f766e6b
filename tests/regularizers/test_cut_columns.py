"""Cutout and CutMix of tables, written out row by row, and which inputs go together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from own_tables import loaded, mixed
from regularized import of, with_regularizers
from scipy import stats
from step_kit import Sampled, given
from torch import Tensor
from training import Trained, assert_identical, make_spec

from dropbench.data.batch import Batch
from dropbench.planning.outline import outline
from dropbench.planning.regularizers import given as told_of
from dropbench.regularizers.base import Given, Regularizer
from dropbench.regularizers.cutmix import CutMix
from dropbench.regularizers.cutout import Cutout

K, B = 4, 40
COLUMNS = (0, 1, 3, 0, 2, 2, 2, 4, 4)  # three numbers, a flag of the first, categories of three and two levels


def rows_of() -> Tensor:
    return torch.rand(K, B, len(COLUMNS), generator=torch.Generator().manual_seed(1)) + 1


def table(**more: Any) -> Given:
    return given(view="flat", shape=(len(COLUMNS),), image=None, columns=COLUMNS, **more)


def lowest(u: Tensor, count: int) -> list[int]:
    return [int(i) for i in np.argsort(u.numpy(), kind="stable")[:count]]


def test_cutout_is_a_share_of_the_columns_of_each_row_and_one_at_least() -> None:
    draws, x = Sampled(K), rows_of()
    batch = Cutout(probability=0.7).examples(
        Batch(x, torch.zeros(K, B)), torch.tensor([0, 0.02, 0.5, 1]), draws, table()
    )
    chance, u = draws.drawn
    for k, count in enumerate((0, 1, 2, 5)):  # 0.5 of 5 columns is rounded to the even number
        for b in range(B):
            cut = lowest(u[k, b], count) if chance[k, b] < 0.7 else []
            expected = [0.0 if c in cut else float(x[k, b, i]) for i, c in enumerate(COLUMNS)]
            assert batch.x[k, b].tolist() == expected
    assert batch.mixed is None


@pytest.mark.parametrize("seed", range(6))
def test_cutmix_takes_columns_of_another_row_and_mixes_targets_by_how_many(seed: int) -> None:
    draws, x, y = Sampled(K, seed), rows_of(), torch.arange(B).expand(K, -1)
    alphas = [0.0, 0.3, 1.0, 3.0]
    batch = CutMix(probability=0.8).examples(Batch(x, y), torch.tensor(alphas), draws, table())
    order, drawn, u = draws.drawn
    assert batch.mixed is not None
    for k, alpha in enumerate(alphas):
        acts = alpha > 0 and float(drawn[k, 1, 0]) < 0.8
        own = stats.beta.ppf(float(drawn[k, 0, 0]), alpha, alpha) if acts else 1.0
        taken = lowest(u[k, 0], round((1 - own) * 5))
        for b in range(B):
            other = int(order[k, b])
            expected = [float(x[k, other if c in taken else b, i]) for i, c in enumerate(COLUMNS)]
            assert batch.x[k, b].tolist() == expected
            assert int(batch.mixed.y[k, b]) == other
        assert float(batch.mixed.share[k]) == pytest.approx(1 - len(taken) / 5)


def test_each_column_is_cut_as_often_as_any() -> None:
    x = torch.ones(1, 20_000, len(COLUMNS))
    batch = Cutout().examples(Batch(x, torch.zeros(1, 20_000)), torch.tensor([0.4]), Sampled(1), table())
    cut = (batch.x[0] == 0).double().mean(0)
    assert float((cut - 0.4).abs().max()) < 5 * (0.24 / 20_000) ** 0.5


def test_the_inputs_of_a_column_of_a_csv_go_together(tmp_path: Path) -> None:
    frame = mixed()
    frame["y"] = np.arange(len(frame)) % 2
    data = loaded(tmp_path, frame)
    assert data.prepared is not None
    names, columns = data.prepared.columns.inputs, data.prepared.columns.columns
    told = told_of(outline(make_spec("mlp").model, data), data).columns
    assert len(told) == len(names) == data.shape[0] and set(told) == set(range(len(columns)))
    of_names = [columns[place].name for place in told]
    assert of_names == [name.removesuffix(" missing").partition("=")[0] for name in names]
    assert len(set(told)) < len(told), "no column here has two inputs"


def test_other_data_have_columns_only_where_they_are_features() -> None:
    for data, expected in (("wine", tuple(range(13))), ("digits", ())):
        run = make_spec("mlp", data=data, split={"n_train": None})
        found = Trained(run).cohort.regularization.given
        assert found.columns == expected


@pytest.mark.parametrize("make", [Cutout, CutMix])
def test_of_neither_images_nor_tables_it_says_so(make: Callable[[], Regularizer]) -> None:
    told = given(view="sequence", shape=(5, 4), image=None)
    assert make().supports(told) == "cuts boxes out of images or columns out of tables, and these data are neither"
    assert make().supports(table()) is None


@pytest.mark.parametrize("name", ["cutout", "cutmix"])
def test_runs_have_their_bits_in_any_stack(name: str) -> None:
    def run(seed: int, strength: float) -> Any:
        return with_regularizers(
            make_spec("mlp", data="wine", split={"n_train": None}, variant="standard", rate=0.3, seed=seed, epochs=3),
            of(name, strength),
        )

    own = run(3, 0.5)
    assert_identical(own, [run(3, 0.2)], [run(1, 0.5), run(3, 0.9), run(4, 0.1)])
    plain = make_spec("mlp", data="wine", split={"n_train": None}, variant="standard", rate=0.3, seed=3, epochs=3)
    assert Trained(plain)[plain].metrics != Trained(own)[own].metrics
