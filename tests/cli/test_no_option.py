"""Options that a command does not have, and values that it does not take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from terminal import dropbench


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("sweep --epochs 5", "No such option: --epochs; settings have no dashes: write train.epochs=5"),
        ("train --epochs=5", "write train.epochs=5"),
        ("advise --target churned", "write data.target=churned"),
        ("advise --data my.csv", "write data=csv data.path=my.csv data.target=COLUMN"),
        ("sweep --lr 0.1", "write train.lr=0.1"),
        ("train --seed 3", "write seed=3"),
        ("train --model mlp", "write model=mlp"),
        ("train --dropout .3", "write dropout.rate=.3"),
        ("sweep --rate .3", "write dropout.rate=.3"),
        ("sweep --batch-size 32", "write train.batch_size=32"),
        ("sweep --out dir", "write results=dir"),
        ("sweep --seeds 5", "write 'seed=range(0,5)'"),
        ("sweep --mixup 0.2", "mixup is a regularizer: type regularizer=[mixup]"),
        ("sweep --minutes 1", "did you mean --max-minutes?"),
        ("advise --max-minutes 1", "did you mean --minutes?"),
        ("report --output x", "did you mean --out?"),
        ("report --model cnn", "write model=cnn"),
        ("report --results old", "a folder needs no option: write old"),
        ("list sites --model mlp", "write model=mlp"),
        ("report --html", "No such option: --html; write --out report.html"),
        ("report --save fig.pdf", "write --out report.html, or --figures DIR"),
        ("report --plot", "write --figures DIR"),
        ("advise -m 1", "No such option: -m; did you mean --minutes?"),
        ("--data mnist", "No such option: --data; a command comes first: dropbench train, sweep, report"),
        ("train --cofn x", "(Possible options: --cfg, --conf, --json)"),
        ("advise --minutes=abc", "Invalid value for '--minutes': 'abc' is not a number"),
        ("sweep --max-minutes 0,5", "'0,5' is not a number; write 0.5, with a point"),
        ("sweep --max-runs 2.5", "'2.5' is not a whole number"),
        ("advise --minutes 0", "it must be greater than or equal to 0.1"),
    ],
)
def test_what_to_type_instead_is_told(
    words: str, told: str, bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = dropbench(capsys, *words.split())
    assert said.code == 2
    assert told in re.sub(r"[\s│]+", " ", said.err)
