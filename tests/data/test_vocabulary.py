from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dropbench.data.vocabulary import by_frequency


@given(st.lists(st.sampled_from("abcdefg")), st.integers(1, 4))
def test_most_frequent_first_and_ties_by_the_alphabet(words: list[str], least: int) -> None:
    found = by_frequency(words, least)
    assert set(found) == {w for w in words if words.count(w) >= least}
    keys = [(-words.count(w), w) for w in found]
    assert keys == sorted(keys)
    assert by_frequency(reversed(words), least) == found
