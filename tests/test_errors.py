from __future__ import annotations

import pytest

from dropbench.errors import nearest


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
