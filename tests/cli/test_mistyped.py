"""Words that are no settings, although it is plain what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from terminal import dropbench

from dropbench.config.grammar import parse
from dropbench.errors import UsageError


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["dropout.rate", "=", "0.3"], "as in dropout.rate=0.3"),
        (["dropout.rate=", "0.3"], "as in dropout.rate=0.3"),
        (["dropout.rate", "=0.3"], "as in dropout.rate=0.3"),
        (["dropout.rate = 0.3"], "as in dropout.rate=0.3"),
        (["seed=1", "model", "=", "cnn"], "as in model=cnn"),
        (["data.drop=[customer,", "date]"], "did you mean 'data.drop=[customer,date]'?"),
        (["data.drop=[customer,", "order", "date]", "seed=1"], "did you mean 'data.drop=[customer,order date]'?"),
        (["dropout.rates={input:", "0.2}"], "did you mean 'dropout.rates={input: 0.2}'?"),
        (["dropout.rate=0.1,", "0.2"], "did you mean dropout.rate=0.1,0.2?"),
        (
            ["churn.csv"],
            "'churn.csv' is not a setting; for a file of yours type data=csv data.path=churn.csv data.targ",
        ),
        (["net.py"], "'net.py' is not a setting; for a file of yours type model=module model.target=net:NAME"),
        (["three_arm"], "'three_arm' is not a setting; write study=three_arm"),
    ],
)
def test_one_sentence_says_what_was_meant(words: list[str], meant: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(words)
    assert meant in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("words", [["dropout.rate= 0.3"], ["data.drop=[a, b]", "seed=1"], ["data.target=the day"]])
def test_blanks_inside_a_value_are_allowed(words: list[str]) -> None:
    assert len(parse(words)) == len(words)


@pytest.mark.parametrize("command", [("train",), ("sweep",), ("advise",), ("list", "columns")])
def test_every_command_knows_a_file(command: tuple[str, ...], bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, *command, "churn.csv")
    assert said.code == 2 and "type data=csv data.path=churn.csv data.target=COLUMN" in said.err


def test_a_network_in_a_file_is_not_the_name_of_a_model(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "train", "model=net.py")
    assert said.code == 2 and "type model=module model.target=net:NAME" in said.err
