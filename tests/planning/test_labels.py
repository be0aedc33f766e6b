"""What tells the arms of a plan apart."""

from __future__ import annotations

from dropbench.config.compose import Composer
from dropbench.planning.labels import differing
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
