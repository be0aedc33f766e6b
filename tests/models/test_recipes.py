"""Recipes compose, act at every site that they name, and say what the papers say."""

from __future__ import annotations

import pytest
from graphs import graph_table
from model_kit import TABLES
from specs_kit import spec_of
from texts import running_text, sentences

from dropbench.config.compose import Composer
from dropbench.config.options import options
from dropbench.config.several import recipe
from dropbench.planning.checks import check
from dropbench.planning.outline import outline
from dropbench.planning.variants import places

RECIPES = options("dropout/recipe")
MODELS = {
    "awd_lstm": [("lm", running_text())],
    "gal_lstm": [("lm", running_text()), ("rnn", sentences())],
    "graph": [("gcn", graph_table())],
    "vit": [("transformer", TABLES[0])],
}


def test_every_recipe_is_tried() -> None:
    assert MODELS.keys() == RECIPES.keys()
    assert RECIPES.keys().isdisjoint(options("dropout")), "a recipe that is called like a variant could not be chosen"


@pytest.mark.parametrize("name", RECIPES)
def test_it_is_what_one_could_type_and_all_of_it_acts(c: Composer, name: str) -> None:
    for model, table in MODELS[name]:
        spec = spec_of(c, f"model={model}", f"dropout={name}")
        found = outline(spec.model, table)
        assert check(spec, table, found) is None
        acting = {p.name for p in places(spec.variants, found.sites)}
        assert acting == set(recipe(name, ())) == {v.name for v in spec.variants}


def test_awd_lstm_has_a_rate_for_each_of_its_five_places(c: Composer) -> None:
    spec = spec_of(c, "model=lm", "model.layers=3", "dropout=awd_lstm")
    rates = {p.label: p.rate for p in places(spec.variants, outline(spec.model, running_text()).sites)}
    assert rates == {
        "embedding/embedding": 0.1,
        "embedded/locked": 0.4,
        "recurrent.0.weight/weight_drop": 0.5,
        "hidden.0/locked": 0.25,
        "recurrent.1.weight/weight_drop": 0.5,
        "hidden.1/locked": 0.25,
        "recurrent.2.weight/weight_drop": 0.5,
        "head/locked": 0.4,
    }
