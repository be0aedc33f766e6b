from __future__ import annotations

import pytest

from dropbench.errors import like, listed, nearest


@pytest.mark.parametrize(
    ("word", "valid", "clause"),
    [
        ("mpl", ["rnn", "mlp", "cnn"], "did you mean 'mlp'? valid: cnn, mlp, rnn"),
        ("MLP", ["mlp", "cnn"], "did you mean 'mlp'? valid: cnn, mlp"),
        ("three-arm", ["three_arm"], "did you mean 'three_arm'? valid: three_arm"),
        (
            "train.widths",
            ["train.epochs", "model.widths"],
            "did you mean 'model.widths'? valid: model.widths, train.epochs",
        ),
        ("zzz", ["mlp", "mlp"], "valid: mlp"),
    ],
)
def test_the_closest_then_all(word: str, valid: list[str], clause: str) -> None:
    assert nearest(word, valid) == clause


def test_of_very_many_words_those_that_are_similar_are_listed() -> None:
    """All of 300 layers hid the two that matter, and a list of the similar ones alone said that nothing else was valid."""
    valid = [f"layer{i}.block" for i in range(300)] + ["head.attention", "head.attention_out"]
    said = nearest("head.atention", valid)
    assert said.startswith("did you mean 'head.attention'? similar, of 302 in all: head.attention, head.attention_out")
    assert len(said) < 300
    same_end = nearest("body.attention", valid)
    assert same_end.startswith("did you mean 'head.attention'?")
    assert nearest("???", valid).startswith("valid: head.attention, head.attention_out, layer0.block, ")
    assert nearest("???", valid).endswith(" layer99.block")


def test_the_similar_name_keeps_its_case() -> None:
    assert like("targt", ["Age", "Target"]) == "did you mean 'Target'? "
    assert like("class", ["x1", "target"]) == ""


@pytest.mark.parametrize("n", [0, 1, 20, 21, 22, 1000])
def test_a_long_list_keeps_both_ends(n: int) -> None:
    """The target is often the last column of a table, and the last column was the first to be left out."""
    names = [f"x{i}" for i in range(n)]
    parts = listed(names).split(", ") if n else []
    if n <= 20:
        assert parts == names
        return
    (gap,) = [i for i, part in enumerate(parts) if part.startswith("...")]
    before, after = parts[:gap], parts[gap + 1 :]
    assert parts[gap] == f"... {n - 20} more ..."
    assert before == names[: len(before)] and after == names[-len(after) :]
    assert len(before) + len(after) == 20 and len(after) >= 2
