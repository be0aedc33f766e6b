"""Why an arm cannot be."""

from __future__ import annotations

from ast import literal_eval

import pytest
from graphs import graph_table
from specs_kit import spec_and_settings
from training import Trained, made_table, make_spec, table_of

from dropbench.config.compose import Composer
from dropbench.planning.checks import check, warnings
from dropbench.planning.outline import outline
from dropbench.planning.sources import load


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["dropout=none"], None),
        (["dropout=spatial"], "dropout=spatial has no site in model=mlp: it drops whole feature maps"),
        (
            ["dropout.placement=[-*]"],
            "dropout.placement=[-*] leaves dropout=standard without a site in model=mlp; include at least one of input, ",
        ),
        (["dropout.placement=[nowhere]"], "dropout.placement: no site matches 'nowhere'"),
        (["data.n_train=5000"], "data.n_train=5000 is too many"),
        (["data=wine", "train.augment.flip=0.5"], "train.augment works only on images"),
    ],
)
def test_why_not(c: Composer, words: list[str], reason: str | None) -> None:
    spec, settings = spec_and_settings(c, *words)
    table = load(spec.data, settings)
    told = check(spec, table, outline(spec.model, table))
    assert told == reason or (reason is not None and told is not None and told.startswith(reason))


@pytest.mark.parametrize(
    ("words", "size", "n", "fits"),
    [
        ("mlp", 1, 40, "at least 2"),
        ("mlp", 1, 41, "at least 3"),
        ("mlp", 2, 40, None),
        ("mlp", 2, 41, "at least 3"),
        ("mlp", 3, 40, None),
        ("mlp", 40, 41, None),
        ("mlp", 39, 40, None),
        ("cnn head_widths=[]", 1, 40, None),
        ("cnn head_widths=[]", 2, 41, None),
        ("cnn head_widths=[8]", 2, 41, "at least 3"),
        ("resnet", 1, 12, None),
    ],
)
def test_batch_norm_refuses_only_where_it_has_no_variance(words: str, size: int, n: int, fits: str | None) -> None:
    """What is refused would raise in training, and what is not trains."""
    name, *options = words.split()
    given = {key: literal_eval(value) for key, value in (option.split("=") for option in options)}
    given |= {} if name == "resnet" else {"batch_norm": "before_activation"}
    spec = make_spec(name, options=given, split={"n_train": n}, batch_size=size, epochs=1)
    table = table_of(spec)
    reason = check(spec, table, outline(spec.model, table))
    if fits is None:
        assert reason is None and Trained(spec)[spec].status == "completed"
    else:
        assert f"train.batch_size={size} is too small for batch norm in model={name}" in str(reason) and fits in str(
            reason
        )
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            Trained(spec)


def test_a_single_class_is_nothing_to_learn_but_by_an_autoencoder() -> None:
    table = made_table(60, classes=1)
    for model, reason in (
        ("mlp", "data 'made' have a single class, so model=mlp has nothing"),
        ("autoencoder", None),
    ):
        spec = make_spec(model, split={"n_train": 30})
        told = check(spec, table, outline(spec.model, table))
        assert told == reason or str(told).startswith(str(reason))


def test_a_graph_is_normalised_over_all_nodes_whatever_the_batch() -> None:
    spec = make_spec("dropbench.models.gcn.GCN", options={"batch_norm": "before_activation"}, split={"n_train": 7})
    spec = spec.model_copy(update={"train": spec.train.model_copy(update={"batch_size": 1})})
    table = graph_table()
    assert check(spec, table, outline(spec.model, table)) is None
    assert Trained(spec, table=table)[spec].status == "completed"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["train.decay_schedule=flat_cos"],
            "train.decay_schedule=flat_cos has no effect, because train.weight_decay is 0",
        ),
        (["train.decay_schedule=flat_cos", "train.weight_decay=0.1"], None),
        (["train.optimizer=sgd", "train.beta2=0.95"], "train.beta2=0.95 has no effect with train.optimizer=sgd"),
        (["train.optimizer=adamw", "train.beta2=0.95"], None),
        (
            ["train.momentum_start=0.5"],
            "train.momentum_start=0.5 has no effect with train.optimizer=adam; only sgd uses it",
        ),
        (["train.optimizer=sgd", "train.momentum_start=0.5", "train.momentum_epochs=3"], None),
        (["train.optimizer=sgd", "train.momentum_epochs=3"], "train.momentum_epochs=3 has no effect without"),
        (["model=realmlp"], "model=realmlp is made for train=realmlp or train=realmlp_numbers, and learns slowly"),
        (["model=realmlp", "train=realmlp", "train.lr=0.01"], None),
    ],
)
def test_what_has_no_effect_is_said(c: Composer, words: list[str], told: str | None) -> None:
    spec, settings = spec_and_settings(c, *words)
    said = warnings(spec, outline(spec.model, load(spec.data, settings)))
    assert len(said) == (told is not None)
    assert told is None or said[0].startswith(told)
