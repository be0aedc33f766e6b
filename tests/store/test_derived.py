"""How the numbers of a record are to be read is as its metrics declare it, for every number that there is."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf
from pydantic import ValidationError

from dropbench.config.compose import composer
from dropbench.config.options import options
from dropbench.errors import UsageError
from dropbench.spec import MetricSpec
from dropbench.store import derived

CONF: dict[str, Any] = {
    name: dict(OmegaConf.to_container(OmegaConf.load(file)))[name]  # type: ignore[call-overload]
    for name, file in options("metric").items()
}
HIGHER = (
    "accuracy",
    "mc_accuracy",
    "arithmetic_accuracy",
    "geometric_accuracy",
    "fgsm_05_accuracy",
    "missing_10_accuracy",
)
HIGHER += ("missing_by_value_25_accuracy", "ood_noise_auroc", "ood_fashion_mnist_mc_mutual_information_auroc")
HIGHER += ("ood_noise_entropy_auroc", "missing_at_random_25_accuracy", "missing_edges_25_accuracy", "pgd_10_accuracy")
HIGHER += ("eot_00_accuracy", "int8_accuracy", "int8_noisy_accuracy", "batch_statistics_accuracy")
LOWER = (
    "loss",
    "perplexity",
    "brier",
    "ece",
    "adaptive_ece",
    "membership_auc",
    "mc_loss",
    "arithmetic_brier",
    "mc_ece",
    "int8_loss",
    "int8_noisy_loss",
    "batch_statistics_loss",
    "mean_shift",
    "variance_shift",
)
NEITHER = ("ablation_mean", "ablation_p90", "ablation_gini", "ablation_share", "attribution_gini", "attribution_share")
NEITHER += ("coadaptation", "dead_units", "gradient_norm", "gradient_variance", "sharpness", "adaptive_sharpness")
NEITHER += ("average_sharpness", "mc_accuracy_sd", "mc_loss_sd", "mc_entropy", "mc_mutual_information", "unheard_of")
NEITHER += ("attention_entropy",)


@pytest.mark.parametrize(
    ("direction", "names"), [("higher", HIGHER), ("lower", LOWER), ("neither", NEITHER)], ids=lambda x: str(x)[:8]
)
def test_every_number_has_its_direction_and_unit(direction: str, names: tuple[str, ...]) -> None:
    found = derived.measures([f"{part}_{n}" for n in names for part in ("train", "val", "test", "gap")], CONF)
    assert list(found) == list(names)
    for name, told in found.items():
        assert told.get("direction", "neither") == direction, name
        in_percent = name.endswith("_accuracy") or name == "accuracy"
        assert (told.get("unit") == "percent") is in_percent, name
        assert (told.get("region", "1%") == "0.2pp") is in_percent, name


def test_versions_and_ranges_are_those_of_the_metric() -> None:
    declared = {"mine": {"version": 3, "range": [0, 1], "also": {"mine_*_share": {"range": [0, None], "unit": "x"}}}}
    found = derived.measures(["test_mine", "test_mine_a_share", "test_mc_mine", "test_mine_a"], declared)
    assert found["mine"] == found["mc_mine"] == {"version": 3, "range": [0, 1]}
    assert found["mine_a_share"] == {"version": 3, "range": [0, None], "unit": "x"}
    assert found["mine_a"] == {}


def test_every_metric_of_ours_declares_all_of_it() -> None:
    for name, node in CONF.items():
        told = {n: d for n, d in {name: node, **node.get("also", {})}.items() if "direction" in d}
        assert told, name
        for declaration in told.values():
            assert {"direction", "range", "unit", "region"} <= set(declaration), name
        assert node["version"] >= 1


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (
            "metric.ece.direction=up",
            "metric.ece.direction=up: whether higher or lower values of a metric are better is set in its file and cannot be "
            "typed",
        ),
        (
            "metric.ece.region=wide",
            "metric.ece.region=wide: it must be points such as 0.2pp, a percentage such as 1%, or a number",
        ),
        ("metric.ece.range=[a,1]", "metric.ece.range.0=a: it must be a number"),
        ("metric.ece.source=x", "'metric.ece.source' is not a key here"),
    ],
)
def test_a_mistake_in_a_declaration_is_a_sentence(word: str, said: str) -> None:
    with composer() as c, pytest.raises(UsageError) as error:
        c.compose({"metric": "metric=[loss,ece]", word.partition("=")[0]: word})
    assert said in str(error.value)


def test_a_region_that_is_a_number_is_typed_as_one() -> None:
    assert MetricSpec(name="m", target="m", region=0.01).region == "0.01"  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        MetricSpec(name="m", target="m", region="-1%")
