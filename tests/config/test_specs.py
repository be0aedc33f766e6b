"""From a composed tree to the spec of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from specs_kit import composed

from dropbench.config.compose import composer
from dropbench.errors import UsageError
from dropbench.planning.variants import variant
from dropbench.sites import Site
from dropbench.sites.placement import site_rates
from dropbench.spec import CONSTANT


def test_a_schedule_goes_with_any_variant(mine: Path) -> None:
    (mine / "dropout" / "bare.yaml").write_text("# no _common\n_target_: my_variant.Half\nname: bare\nstrength: 1\n")
    with composer([mine]) as c:
        for variant in ("standard", "half", "bare"):
            words = (f"dropout={variant}", "dropout.rate=0.3" if variant != "bare" else "+dropout.rate=0.3")
            assert composed(c, *words).spec.dropout.schedule == CONSTANT
            found = composed(c, *words, "dropout/schedule=linear_up", "dropout.schedule.over=0.5").spec
            schedule = found.dropout.schedule
            assert (schedule.name, schedule.options, found.dropout.rate) == ("linear_up", {"over": 0.5}, 0.3)
            assert found.as_dict()["dropout"]["schedule"] == {
                "name": "linear_up",
                "_target_": "dropbench.dropout.schedule.linear_up",
                "version": 1,
                "over": 0.5,
            }


def test_metrics_go_by_the_task_of_the_model(mine: Path) -> None:
    (mine / "my_model.py").write_text((mine / "my_model.py").read_text() + "\n    task = 'reconstruct'\n")
    with composer([mine]) as c:
        assert list(composed(c).spec.metric) == ["loss", "accuracy"]
        assert composed(c, "model=tiny").spec.metric.keys() == {"loss"}
        with pytest.raises(UsageError) as error:
            composed(c, "model=tiny", "train.monitor=val_accuracy")
        assert str(error.value) == (
            "train.monitor=val_accuracy: accuracy does not fit model=tiny, whose task is reconstruct; "
            "choose train.monitor=val_loss"
        )
        with pytest.raises(UsageError, match=r"does not fit model=tiny, .*; choose a metric that fits it"):
            composed(c, "model=tiny", "metric=accuracy", "train.monitor=val_accuracy")
        with pytest.raises(
            UsageError, match=r"metric.accuracy.tasks: there is no task 'clasify'; did you mean 'classify'"
        ):
            composed(c, "metric.accuracy.tasks=[clasify]")
        # What a metric is for changes no number.
        assert composed(c, "metric.accuracy.tasks=[classify]").spec.run_id == composed(c).spec.run_id


def test_values_are_typed() -> None:
    with composer() as c:
        found = composed(
            c, "model.widths=[8, 4]", "dropout.placement=hidden.*", "train.warmup_epochs=1", "metric=[loss]"
        )
    said = {key: value for key, value in found.spec.model.options.items() if value is not None}
    assert said == {"widths": [8, 4], "activation": "relu", "batch_norm": "none"}
    assert found.spec.dropout.placement == ("hidden.*",)
    assert isinstance(found.spec.train.warmup_epochs, float)
    assert list(found.spec.metric) == ["loss"]
    assert found.study is None


def test_rates_with_a_star() -> None:
    with composer() as c:
        spec = composed(c, 'dropout.rates={input: 0.2, "*": 0.5}', "dropout.rate=0.9").spec
    sites = [Site(n, "activation", (4,), "F") for n in ("input", "hidden.0", "hidden.1")]
    rates = site_rates(variant(spec.dropout), sites, spec.dropout.rate, spec.dropout.rates, spec.dropout.placement)
    assert rates == {"input": 0.2, "hidden.0": 0.5, "hidden.1": 0.5}
