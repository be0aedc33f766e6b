from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from dropbench.config.yaml import as_yaml

# OmegaConf takes ${ for an interpolation wherever it reads, so no configuration that it made has one.
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="$", exclude_categories=["Cs", "Cc"]), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS.filter(bool), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(WORDS, VALUES, max_size=4))
@example({"a": "1e3", "b": "1_000", "c": "no", "d": "nan", "e": "0x1f", "f": 1e-05, "g": "2020-01-01"})
def test_omegaconf_reads_the_same_back(tree: dict[str, Any]) -> None:
    assert OmegaConf.to_container(OmegaConf.create(as_yaml(tree))) == tree
