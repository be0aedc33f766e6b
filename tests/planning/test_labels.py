"""What tells the arms of a plan apart."""

from __future__ import annotations

from dropbench.config.compose import Composer
from dropbench.planning.labels import arm_names, differing
from dropbench.planning.plan import make


def test_what_tells_arms_apart(c: Composer) -> None:
    plan = make(["model=mlp,cnn", "train.lr=0.1,0.01", "dropout.rate=0.1,0.2", "model.batch_norm=none"], c)
    assert sorted({" ".join(words) for words in differing(plan.specs).values()}) == ["lr=0.01", "lr=0.1"]
    assert set(map(tuple, differing(plan.specs[:1]).values())) == {()}


def test_schedules_tell_arms_apart(c: Composer) -> None:
    plan = make(["dropout=none,standard", "dropout/schedule=constant,early,step"], c)
    assert [" ".join(words) for words in differing(plan.specs).values()] == ["", "", "schedule=early", "schedule=step"]
    plan = make(["dropout/schedule=early", "dropout.schedule.until=0.1,0.2"], c)
    assert [" ".join(w) for w in differing(plan.specs).values()] == ["schedule.until=0.1", "schedule.until=0.2"]


def test_what_is_tuned_is_no_part_of_a_name(c: Composer) -> None:
    words = ["regularizer=none,[mixup],[mixup,sam]", "regularizer.mixup.alpha=0.1,0.2", "dropout=none,standard"]
    plan = make([*words, "dropout.rate=0.1,0.2"], c)
    whole, tuned = (
        set(arm_names(plan, plan.specs, t).values()) for t in ((), ("regularizer.mixup.alpha", "dropout.rate"))
    )
    assert {"none", "mixup 0.1", "standard 0.2 + mixup 0.1 + sam 0.05"} < whole
    assert tuned == {"none", "mixup", "mixup + sam 0.05", "standard", "standard + mixup", "standard + mixup + sam 0.05"}
