"""What training may monitor, weights of classes, and what each metric says of itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from specs_kit import composed, spec_of

from dropbench.config.compose import Composer, composer
from dropbench.config.options import options
from dropbench.errors import UsageError

ALSO_MINE = """
def mine(logits, targets):
    return -logits.mean((1, 2))


def probe(network, part):
    return {}
"""


def test_every_metric_says_which_of_two_values_is_better() -> None:
    """In so many words, for its own name or for all those that it gives numbers under; nothing else is known of it."""
    for name, file in options("metric", ()).items():
        node: Any = OmegaConf.to_container(OmegaConf.load(file))[name]  # type: ignore[index]
        told = [*node.get("also", {}).values(), *node.get("of_task", {}).values()]
        told += [node] if "direction" in node or not told else []
        assert all(set(one) >= {"direction", "range", "unit", "region"} for one in told), name
        assert all(one["direction"] in ("higher", "lower", "neither") for one in told), name


def test_the_page_on_metrics_has_all_of_them() -> None:
    page = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")
    assert [name for name in options("metric", ()) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("metric", ["accuracy", "ece", "auroc", "mcc"])
def test_any_metric_that_is_measured_may_be_monitored(metric: str) -> None:
    with composer() as c:
        spec = spec_of(c, f"metric=[loss,{metric}]", f"train.monitor=val_{metric}")
        assert spec.train.monitored == metric
        assert spec.run_id != spec_of(c, f"metric=[loss,{metric}]").run_id


def refused(c: Composer, *overrides: str) -> str:
    with pytest.raises(UsageError) as told:
        composed(c, *overrides)
    return str(told.value)


def test_what_may_not_be_monitored_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "metric").mkdir()
    (tmp_path / "mine_metrics.py").write_text(ALSO_MINE)
    (tmp_path / "metric/mine.yaml").write_text("# Mine\nmine:\n  _target_: mine_metrics.mine\n  name: mine\n")
    with composer([tmp_path]) as c:
        assert refused(c, "train.monitor=accuracy") == (
            "train.monitor=accuracy: it must be val_ and the name of a metric, such as val_accuracy"
        )
        assert refused(c, "train.monitor=val_auroc", "metric=[loss,accuracy]") == (
            "train.monitor=val_auroc is not measured; add it: metric=[auroc,loss,accuracy]"
        )
        assert list(spec_of(c, "train.monitor=val_auroc").metric) == ["loss", "accuracy", "auroc"]  # none was asked for
        assert "there is no metric acuracy; did you mean 'val_accuracy'?" in refused(c, "train.monitor=val_acuracy")
        assert refused(c, "train.monitor=val_auc") == (
            "train.monitor=val_auc: there is no metric auc; here it is called train.monitor=val_auroc"
        )
        assert refused(c, "metric=[loss,fgsm]", "train.monitor=val_fgsm") == (
            "train.monitor=val_fgsm: fgsm is only measured once, after training; choose train.monitor=val_loss"
        )
        # A user's metric that says nothing is neither better high nor low: read so everywhere, and asked for here.
        assert spec_of(c, "metric=[loss,mine]").metric["mine"].direction == "neither"
        assert refused(c, "metric=[loss,mine]", "train.monitor=val_mine") == (
            "train.monitor=val_mine: mine does not say whether higher or lower is better; add direction: higher or lower to "
            "metric/mine.yaml; choose train.monitor=val_loss"
        )
        with (tmp_path / "metric/mine.yaml").open("a") as file:
            file.write("  direction: lower\n")
    with composer([tmp_path]) as c:
        assert spec_of(c, "metric=[loss,mine]", "train.monitor=val_mine").metric["mine"].direction == "lower"


def test_the_direction_of_a_metric_is_not_typed() -> None:
    with composer() as c:
        assert re.search("set in its file", refused(c, "metric.loss.direction=higher"))


def test_class_weights_are_for_classes() -> None:
    with composer() as c:
        assert spec_of(c, "train.class_weights=balanced").train.class_weights == "balanced"
        assert refused(c, "model=autoencoder", "train.class_weights=balanced") == (
            "train.class_weights=balanced weighs the classes of examples, but model=autoencoder is trained to reconstruct, "
            "without classes; leave it out: train.class_weights=null"
        )
        assert "it must be 'balanced'" in refused(c, "train.class_weights=equal")
