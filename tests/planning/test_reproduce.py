"""What is proposed to type gives the very runs that it was made from."""

from __future__ import annotations

import shlex

import pytest
from specs_kit import grid, spec_of

from dropbench.config.compose import Composer
from dropbench.config.options import options
from dropbench.errors import UsageError
from dropbench.planning import reproduce


def run_ids(c: Composer, command: str) -> set[str]:
    program, verb, *overrides = shlex.split(command)
    assert (program, verb) == ("dropbench", "sweep")
    return {run.spec.run_id for run in grid(c, *(o for o in overrides if not o.startswith("results=")))}


SETTINGS = [
    *(f"dropout={name}" for name in options("dropout")),
    *(f"model={name}" for name in options("model")),
    *(f"data={name}" for name in options("data")),
    *(f"dropout/schedule={name}" for name in options("dropout/schedule")),
    *(f"train={name}" for name in options("train")),
    *(f"metric=[loss,accuracy,{name}]" for name in options("metric") if name not in ("loss", "accuracy")),
    "metric=[accuracy,loss]",
    "eval.mode=mc eval.passes=7",
    "dropout.rate=0.2 dropout.placement=[hidden.0,'head*']",
    "dropout.rates={input:0.2,'*':0.5}",
    "dropout=dropblock dropout.block_size=5 model=cnn model.kernel=5",
    "dropout/schedule=linear_up dropout.schedule.over=0.5",
    "data.n_train=300 data.label_noise=0.2 data.split_seed=3",
    *(f"regularizer=[{name}]" for name in options("regularizer")),
    "regularizer=[sam,mixup] regularizer.mixup.alpha=0.4 regularizer.sam.rho=0.1",
    "regularizer=[mixup] regularizer.mixup.schedule=linear_up",
    "regularizer=[l2,ema] regularizer.l2.schedule={name:linear_up,over:0.5} regularizer.ema.decay=0.9",
    "regularizer=[gradient_noise] regularizer.gradient_noise.gamma=0.3",
    "train.weight_decay=1e-3 train.decay_exempt=[vectors,'head.*']",
    "train.lr=1e-4 train.patience=5 train.augment.crop=2 train.grad_clip=0.3 model.activation=tanh",
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_option_comes_back(c: Composer, setting: str) -> None:
    run = spec_of(c, *setting.split(), "seed=4")
    (command,) = reproduce.commands([(run.as_dict(), [4])], "results")
    assert run_ids(c, command) == {run.run_id}, command


def test_overrides_are_what_differs_from_the_defaults(c: Composer) -> None:
    assert reproduce.overrides(spec_of(c).as_dict()) == ["dropout=standard"]
    assert reproduce.overrides(spec_of(c, "model=cnn", "train.epochs=60").as_dict()) == [
        "model=cnn",
        "dropout=standard",
        "train.epochs=60",
    ]


@pytest.mark.parametrize(
    ("arms", "typed"),
    [
        (["dropout=none", "dropout.rate=0.25", "dropout.rate=0.5"], ["dropout=none,standard dropout.rate=0.25,0.5 {}"]),
        (["dropout=none", "dropout=none"], ["dropout=none {}"]),
        (
            ["dropout=standard", "dropout=gaussian"],
            ["dropout=standard dropout.rate=0.5 {}", "dropout=gaussian dropout.rate=0.5 {}"],
        ),
        (
            ["dropout=none", "dropout.placement=[input]"],
            ["dropout=none {}", "dropout=standard dropout.rate=0.5 'dropout.placement=[\"input\"]' {}"],
        ),
    ],
)
@pytest.mark.parametrize(
    ("seeds", "word"),
    [([0, 1, 2], "'seed=range(0,3)'"), ([0, 2], "seed=0,2"), ([7], "seed=7"), ([3, 2], "'seed=range(2,4)'")],
)
def test_arms_that_make_a_grid_are_one_command(
    c: Composer, arms: list[str], typed: list[str], seeds: list[int], word: str
) -> None:
    commands = reproduce.commands([(spec_of(c, a).as_dict(), seeds) for a in arms], "results")
    assert commands == [f"dropbench sweep {t.format(word)}" for t in typed]
    wanted = {spec_of(c, a, f"seed={s}").run_id for a in arms for s in seeds}
    assert set().union(*(run_ids(c, command) for command in commands)) == wanted


@pytest.mark.parametrize(
    ("swept", "commands"),
    [
        ("regularizer=none,[mixup],[sam],[mixup,sam] regularizer.mixup.alpha=0.2,0.4 dropout=none,standard", 1),
        ("regularizer=[mixup],[sam] regularizer.mixup.alpha=0.1,0.2 regularizer.sam.rho=0.1,0.2", 1),
        ("regularizer=none,[mixup],[lookahead] regularizer.lookahead.k=3,5", 4),  # 5 is not said, since it is the usual
        ("regularizer=none,[mixup] regularizer.mixup.schedule=constant,linear_up", 3),
    ],
)
def test_a_grid_of_regularizers_is_typed_as_few_grids(c: Composer, swept: str, commands: int) -> None:
    runs = [point.spec for point in grid(c, *swept.split(), "seed=4,5")]
    steps = {run.setting_id: (run.as_dict(), [4, 5]) for run in runs}
    typed = reproduce.commands(list(steps.values()), "results")
    assert set().union(*(run_ids(c, command) for command in typed)) == {run.run_id for run in runs}
    assert sum(len(run_ids(c, command)) for command in typed) == len({run.run_id for run in runs})
    assert len(typed) == commands, typed


def test_another_folder_is_named(c: Composer) -> None:
    (command,) = reproduce.commands([(spec_of(c).as_dict(), [0])], "my results")
    assert command.endswith("seed=0 'results=my results'")


def test_what_is_no_longer_there_or_as_it_was(c: Composer) -> None:
    config = spec_of(c).as_dict()
    with pytest.raises(UsageError, match="dropout=gone: this option does not exist any more"):
        reproduce.overrides(config | {"dropout": config["dropout"] | {"name": "gone"}})
    with pytest.raises(UsageError, match=r"dropout.version is 1 now and was 9"):
        reproduce.overrides(config | {"dropout": config["dropout"] | {"version": 9}})
