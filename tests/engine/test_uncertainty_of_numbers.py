"""What passes with the noise on say together of a number: mixtures of normals, beside scipy's sums of logarithms."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from own_tables import priced
from scipy.special import logsumexp
from scipy.stats import norm
from torch import Tensor
from training import Trained, arms, assert_identical, differences, make_spec

from dropbench.data.base import Table
from dropbench.engine.uncertainty_of_numbers import of_passes
from dropbench.metrics.gaussian_nll import gaussian_nll
from dropbench.metrics.rmse import rmse
from dropbench.spec import EvalSpec, RunSpec


class _Measured:
    """As much of a stack as the mixture asks for."""

    def __init__(self, **metrics: Any) -> None:
        self.metrics = metrics


def passes(seed: int, t: int, k: int, n: int, spread: float) -> list[tuple[Tensor, Tensor]]:
    draw = np.random.default_rng(seed)
    y = draw.normal(5, 2, (k, n))
    mean = y + draw.normal(0, 1, (t, k, n))
    deviation = draw.uniform(0.1, 1, (t, k, n)) * spread
    truth = torch.from_numpy(y).float()
    return [(torch.from_numpy(np.stack(one, -1)).float(), truth) for one in zip(mean, deviation, strict=True)]


@given(
    st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 3), st.integers(1, 40), st.sampled_from([1e-2, 1.0, 1e3])
)
def test_the_likelihood_of_a_mixture(seed: int, t: int, k: int, n: int, spread: float) -> None:
    """Narrow ones too, where every density of an example is 0 in floating point."""
    said = passes(seed, t, k, n, spread)
    found = of_passes(_Measured(gaussian_nll=gaussian_nll, rmse=rmse), said, "mc")  # type: ignore[arg-type]
    outputs, y = torch.stack([o for o, _ in said]).double().numpy(), said[0][1].double().numpy()
    logs = norm.logpdf(y, outputs[..., 0], outputs[..., 1])
    assert found["mc_gaussian_nll"].numpy() == pytest.approx(-(logsumexp(logs, 0) - np.log(t)).mean(-1), rel=1e-9)
    mean = outputs[..., 0].mean(0)
    assert found["mc_rmse"].numpy() == pytest.approx(np.sqrt(((mean - y) ** 2).mean(-1)), rel=1e-6)
    variance = outputs[..., 0].var(0) + (outputs[..., 1] ** 2).mean(0)
    assert found["mc_deviation"].numpy() == pytest.approx(np.sqrt(variance).mean(-1), rel=1e-9)
    assert found["mc_deviation_of_passes"].numpy() == pytest.approx(outputs[..., 0].std(0).mean(-1), rel=1e-9)
    single = np.sqrt(((outputs[..., 0] - y) ** 2).mean(-1))
    assert found["mc_rmse_sd"].numpy() == pytest.approx(single.std(0, ddof=1), rel=1e-3, abs=1e-6)


def test_passes_that_agree_are_one_pass() -> None:
    (one, *_) = passes(3, 1, 2, 20, 1)
    found = of_passes(_Measured(gaussian_nll=gaussian_nll, rmse=rmse), [one] * 4, "mc")  # type: ignore[arg-type]
    assert found["mc_gaussian_nll"].tolist() == pytest.approx(gaussian_nll(*one).tolist(), rel=1e-6)
    assert found["mc_deviation_of_passes"].tolist() == [0, 0] and found["mc_rmse_sd"].tolist() == [0, 0]


def test_numbers_without_a_deviation_have_that_of_the_passes_alone() -> None:
    said = [(o[..., :1], y) for o, y in passes(3, 5, 2, 20, 1)]
    found = of_passes(_Measured(rmse=rmse), said, "mc")  # type: ignore[arg-type]
    assert torch.equal(found["mc_deviation"], found["mc_deviation_of_passes"])
    assert set(of_passes(_Measured(rmse=rmse), said, "ensemble")) == {"arithmetic_rmse"}  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return priced(tmp_path_factory.mktemp("table"), drop=("who", "much"))


def asked(mode: str, spec: RunSpec) -> RunSpec:
    return spec.model_copy(update={"eval": EvalSpec(mode=mode, passes=4)})


NUMBERS: dict[str, Any] = {
    "split": {"n_train": None}, "metrics": ["loss", "rmse", "gaussian_nll"], "batch_size": 16, "loss": "gaussian",
}  # fmt: skip


@pytest.mark.parametrize("noise", [None, 9.0], ids=["learned", "given"])
@pytest.mark.parametrize("mode", ["mc", "ensemble"])
def test_the_same_bits_alone_and_in_a_stack(mode: str, noise: float | None, table: Table) -> None:
    of = partial(asked, mode)
    run, cohorts = arms("mlp", "standard", {}, **NUMBERS, noise=noise)
    assert_identical(of(run), *([of(s) for s in others] for others in cohorts[1:3]), table=table)


@pytest.mark.parametrize("mode", ["mc", "ensemble"])
def test_training_and_the_deterministic_metrics_do_not_notice(mode: str, table: Table) -> None:
    plain = make_spec(rate=0.5, seed=2, **NUMBERS)
    one, other = Trained(plain, table=table)[plain], Trained(asked(mode, plain), table=table)
    noisy = other[asked(mode, plain)]
    assert {name: noisy.metrics[name] for name in one.metrics} == one.metrics
    prefix = "test_mc" if mode == "mc" else "test_arithmetic"
    assert noisy.metrics[f"{prefix}_rmse"] != one.metrics["test_rmse"]


def test_without_noise_every_pass_is_the_same(table: Table) -> None:
    spec = asked("mc", make_spec(variant="none", rate=0.0, seed=2, **NUMBERS))
    metrics = Trained(spec, table=table)[spec].metrics
    assert metrics["test_mc_rmse_sd"] == 0 and metrics["test_mc_deviation_of_passes"] == pytest.approx(0, abs=1e-5)
    for name in ("rmse", "gaussian_nll"):
        assert metrics[f"test_mc_{name}"] == pytest.approx(metrics[f"test_{name}"], rel=1e-5)


def test_a_given_noise_is_gal_and_ghahramani_s(table: Table, tmp_path: Path) -> None:
    """1 / tau beside the passes' variance: with a large one the densities hardly differ, and only it is left."""
    spec = asked("mc", make_spec(rate=0.3, seed=2, **NUMBERS, noise=1e4))
    metrics = Trained(spec, table=table)[spec].metrics
    assert metrics["test_mc_deviation"] == pytest.approx(1e4, rel=1e-3)
    assert metrics["test_mc_gaussian_nll"] == pytest.approx(np.log(1e4 * np.sqrt(2 * np.pi)), rel=1e-3)
    assert differences(spec, Trained(spec, table=table), Trained(spec, table=table)) == []
