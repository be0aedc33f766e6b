"""What cannot be: told all at once, or left out where a glob asked for whatever there is."""

from __future__ import annotations

import pytest

from dropbench.config.compose import Composer
from dropbench.errors import UsageError
from dropbench.planning.plan import make


def test_a_glob_skips_what_cannot_be_and_says_why(c: Composer) -> None:
    plan = make(["model=cnn", "dropout=glob(*)"], c)
    fitting = [s.dropout.name for s in plan.specs]
    assert fitting == sorted(fitting) and {"gaussian", "none", "spatial", "standard"} <= set(fitting)
    assert "locked" not in fitting
    assert any(reason.startswith("dropout=locked has no site in model=cnn: ") for reason in plan.skipped)
    assert len(plan.skipped) + len(fitting) == len(c.options("dropout"))
    plan = make(["model=glob(*)", "data=wine", "seed=0,1"], c)
    assert "mlp" in {s.model.name for s in plan.specs}
    assert {"model 'cnn'", "model 'rnn'"} <= {r.partition(" takes")[0] for r in plan.skipped}


def test_a_glob_skips_data_that_is_not_here(c: Composer, tmp_path: object) -> None:
    plan = make(["data=glob(*)", f"data.root={tmp_path}"], c)
    assert {s.data.name for s in plan.specs} >= {"breast_cancer", "digits", "wine"}
    assert {r.partition(" is not in")[0] for r in plan.skipped} >= {"data 'cifar10'", "data 'mnist'"}


def test_a_glob_over_a_study_skips_variants_whose_arms_coincide(c: Composer) -> None:
    plan = make(["study=three_arm", "dropout=glob([none,spatial,standard])", "seed=0"], c)
    assert {s.dropout.name for s in plan.specs} == {"none", "standard"}
    assert plan.skipped[0].startswith("study=three_arm: its arms none and reduced are the same run")
    assert plan.skipped[1].startswith("dropout=spatial has no site")
    assert set().union(*plan.arms.values()) == {s.run_id for s in plan.specs}


def test_a_glob_that_leaves_nothing_is_an_error(c: Composer) -> None:
    with pytest.raises(UsageError, match="dropout=spatial has no site"):
        make(["dropout=glob(spatial)"], c)
    with pytest.raises(UsageError, match="are the same run"):
        make(["study=three_arm", "dropout=glob(none)"], c)


def test_impossible_pairs_are_told_all_at_once(c: Composer) -> None:
    with pytest.raises(UsageError) as error:
        make(["model=mlp,cnn,rnn", "dropout=spatial,locked", "data=digits,wine", "seed=range(0,3)"], c)
    told = [line.partition(";")[0] for line in str(error.value).splitlines()]
    assert [t.partition(":")[0].partition(" takes")[0] for t in told] == [
        "dropout=spatial has no site in model=mlp",
        "dropout=locked has no site in model=mlp",
        "model 'cnn'",
        "dropout=locked has no site in model=cnn",
        "model 'rnn'",
    ]


def test_a_schedule_of_a_rate_that_is_learned(c: Composer, monkeypatch: pytest.MonkeyPatch) -> None:
    from dropbench.dropout.gaussian import Gaussian

    monkeypatch.setattr(Gaussian, "learned", True, raising=False)
    sentence = "dropout=gaussian learns its rate, so dropout/schedule=late has no effect; leave the schedule out"
    assert make(["dropout=gaussian"], c).skipped == ()
    with pytest.raises(UsageError, match=f"^{sentence}"):
        make(["dropout=gaussian,standard", "dropout/schedule=late"], c)
    plan = make(["dropout=glob([gaussian,standard])", "dropout/schedule=late"], c)
    assert [s.dropout.name for s in plan.specs] == ["standard"]
    assert plan.skipped[0].startswith(sentence) and "variants that fit" not in plan.skipped[0]
