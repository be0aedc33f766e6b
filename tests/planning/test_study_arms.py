"""What a study sets for all its arms, and the arms that its grid makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dropbench.config.compose import composer
from dropbench.errors import UsageError
from dropbench.planning.plan import Plan, make
from dropbench.spec import RunSpec

Planner = Callable[..., Plan]


@pytest.fixture
def planned(tmp_path: Path) -> Iterator[Planner]:
    """Makes the plan of a study, given as YAML, with what is typed beside it."""
    (tmp_path / "study").mkdir()
    with ExitStack() as stack:

        def plan(text: str, *words: str) -> Plan:
            (tmp_path / "study" / "mine.yaml").write_text(text)
            own = stack.enter_context(composer([tmp_path]))
            return make(["study=mine", "seed=0", *words], own)

        yield plan


def specs(plan: Plan) -> dict[str, RunSpec]:
    """The spec of each arm, by name."""
    by_id = {s.run_id: s for s in plan.specs}
    return {name: by_id[run] for name, (run,) in plan.arms.items()}


SET = """
baseline: none
set: {train.epochs: 20, train.lr: "${study.rate}", model: cnn, model.channels: [4, 8], dropout.rate: 0.4}
rate: 0.02
arms:
  none: {dropout: none}
  half: {dropout.rate: "${half:${dropout.rate}}"}
  long: {train.epochs: 40}
"""


def test_the_command_line_wins_over_set_and_an_arm_over_both(planned: Planner) -> None:
    found = specs(planned(SET))
    assert {n: s.train.epochs for n, s in found.items()} == {"none": 20, "half": 20, "long": 40}
    assert {n: s.dropout.rate for n, s in found.items()} == {"none": 0, "half": 0.2, "long": 0.4}
    assert {s.model.name for s in found.values()} == {"cnn"} and {s.train.lr for s in found.values()} == {0.02}
    typed = specs(planned(SET, "train.epochs=7", "dropout.rate=0.6", "model.channels=[2]", "study.rate=0.5"))
    assert {n: s.train.epochs for n, s in typed.items()} == {"none": 7, "half": 7, "long": 40}
    assert {n: s.dropout.rate for n, s in typed.items()} == {"none": 0, "half": 0.3, "long": 0.6}
    assert {tuple(s.model.options["channels"]) for s in typed.values()} == {(2,)}
    assert {s.train.lr for s in typed.values()} == {0.5}
    other = specs(planned(SET, "model=mlp"))  # which starts the model afresh
    assert {s.model.name for s in other.values()} == {"mlp"}


GRID = """
baseline: lr=0.01 rate=0
arms:
  wide: {model.widths: [64]}
grid: {train.lr: [0.01, 0.1], dropout.rate: [0, 0.3]}
"""


def test_a_grid_is_all_combinations_each_called_by_its_values(planned: Planner) -> None:
    found = specs(planned(GRID))
    assert list(found) == ["wide", "lr=0.01 rate=0", "lr=0.01 rate=0.3", "lr=0.1 rate=0", "lr=0.1 rate=0.3"]
    assert {n: (s.train.lr, s.dropout.rate) for n, s in found.items() if n != "wide"} == {
        "lr=0.01 rate=0": (0.01, 0),
        "lr=0.01 rate=0.3": (0.01, 0.3),
        "lr=0.1 rate=0": (0.1, 0),
        "lr=0.1 rate=0.3": (0.1, 0.3),
    }
    typed = planned(GRID, "study.grid={train.lr: [0.01, 0.5]}")
    assert list(typed.arms)[1:] == ["lr=0.01 rate=0", "lr=0.01 rate=0.3", "lr=0.5 rate=0", "lr=0.5 rate=0.3"]
    more = planned(GRID, "study.grid={train.batch_size: [32]}", "study.baseline='lr=0.01 rate=0 batch_size=32'")
    assert len(more.arms) == 5


def test_a_grid_can_be_typed_for_a_study_without_one(planned: Planner) -> None:
    plan = planned("baseline: a\narms: {a: {dropout: none}}\n", "study.grid={dropout.rate: [0.1, 0.2]}")
    assert list(plan.arms) == ["a", "rate=0.1", "rate=0.2"]


def test_combinations_that_are_one_run_are_one_arm(planned: Planner) -> None:
    plan = planned("baseline: dropout=none\ngrid: {dropout: [none, standard], dropout.rate: [0.1, 0.3]}\n")
    assert list(plan.arms) == ["dropout=none", "dropout=standard rate=0.1", "dropout=standard rate=0.3"]
    named = planned("baseline: mine\narms: {mine: {dropout: none}}\ngrid: {dropout.rate: [0, 0.3]}\n")
    assert list(named.arms) == ["mine", "rate=0.3"]


def test_keys_that_end_alike_are_named_whole(planned: Planner) -> None:
    plan = planned(
        "baseline: dropout.schedule=constant train.schedule=constant\n"
        "grid: {dropout/schedule: [constant, early], train.schedule: [constant, cosine]}\n".replace(
            "dropout.schedule=", "dropout/schedule="
        )
    )
    assert "dropout/schedule=early train.schedule=cosine" in plan.arms


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "baseline: a\nset: {train.epoch: 3}\narms: {a: {}, b: {dropout: none}}",
            "mine, set: 'train.epoch' is not a key here; did you mean 'train.epochs'",
        ),
        (
            "baseline: a\nset: {seed: 3}\narms: {a: {}, b: {dropout: none}}",
            "mine, set: 'seed' must be the same for all arms",
        ),
        ("baseline: a\narms: {a: {}, b: {seed: 3}}", "mine, arm b: 'seed' must be the same for all arms"),
        (
            "baseline: lr=1\ngrid: {train.lrr: [1, 2]}",
            "mine, arm lrr=1: 'train.lrr' is not a key here; did you mean 'train.lr'",
        ),
        ("baseline: lr=1\ngrid: {train.lr: [1, 2, -1]}", "mine, arm lr=-1: train.lr=-1: it must be above 0"),
        ("baseline: lr=3\ngrid: {train.lr: [1, 2]}", "study.baseline=lr=3: no arm has this name; did you mean 'lr=2'"),
        ("baseline: lr=1\ngrid: {train.lr: 1}", "study.grid.train.lr=1: it must be a list"),
        ("baseline: lr=1\ngrid: {train.lr: []}", "study.grid.train.lr=[]: it must be of length 1 or more"),
        ("baseline: lr=1\ngrid: {train.lr: [1]}", "a study compares two arms or more"),
        (
            "baseline: a\ngrid: {dropout: [none], dropout.rate: [0.1, 0.2]}",
            "mine: all combinations of its grid are the same run",
        ),
        (
            "baseline: a\nsett: {train.epochs: 3}\narms: {a: {}, b: {dropout: none}}",
            "'study.sett' is not a key of a study, and no arm refers to it; did you mean 'set'",
        ),
    ],
)
def test_what_a_study_cannot_say(planned: Planner, text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        planned(text)
    assert sentence in str(error.value)


def test_a_grid_is_counted_before_it_is_made(planned: Planner) -> None:
    grid = ", ".join(f"train.{key}: [{', '.join(map(str, range(1, 200)))}]" for key in ("lr", "epochs", "batch_size"))
    with pytest.raises(UsageError, match="that is 7,880,599 runs"):
        planned(f"baseline: a\ngrid: {{{grid}}}")


def test_outcomes_are_metrics_that_its_runs_measure(planned: Planner) -> None:
    arms = "baseline: a\narms: {a: {dropout: none}, b: {dropout: standard}}\n"
    assert planned(f"outcomes: [accuracy, perplexity]\n{arms}").outcomes == ("accuracy", "perplexity")
    assert planned(f"outcomes: ece\n{arms}", "metric=[loss,ece]").outcomes == ("ece",)
    with pytest.raises(UsageError, match=r"^study.outcomes: no run measures eec; .*'metric=\[loss,accuracy,eec\]'"):
        planned(f"outcomes: [eec]\n{arms}")
