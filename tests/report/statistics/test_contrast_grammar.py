"""The grammar of contrasts: what it reads, what it refuses, and that nothing of it is evaluated."""

from __future__ import annotations

import keyword
import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench.errors import UsageError
from dropbench.report.statistics.grammar import (
    DEEPEST,
    LONGEST,
    Arm,
    Best,
    Negative,
    Node,
    Number,
    Operation,
    Score,
    parse,
    scores,
    written,
)

A, B = Score(Arm("a"), "test_accuracy"), Score(Arm("standard 0.5"), "val_loss")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("a.test_accuracy", A),
        (" a . test_accuracy ", A),
        ("arm('a').test_accuracy", A),
        ("arm('standard 0.5').val_loss", B),
        ("arm.test_accuracy", Score(Arm("arm"), "test_accuracy")),
        ("-a.test_accuracy * 2", Operation("*", Negative(A), Number(2))),
        ("-(a.test_accuracy * .5)", Negative(Operation("*", A, Number(0.5)))),
        ("a.test_accuracy - 1 - 2", Operation("-", Operation("-", A, Number(1)), Number(2))),
        ("a.test_accuracy - (1 - 2)", Operation("-", A, Operation("-", Number(1), Number(2)))),
        ("a.test_accuracy / 1e3 + 1", Operation("+", Operation("/", A, Number(1000)), Number(1))),
        ("best('standard *', by=val_loss).x", Score(Best("standard *", "val_loss"), "x")),
        ("best('*', by='val_loss').x", Score(Best("*", "val_loss"), "x")),
        ("best(dropout.rate, by=val_loss).x", Score(Best("dropout.rate", "val_loss", key=True), "x")),
        ("best(model, by=val_loss).x", Score(Best("model", "val_loss", key=True), "x")),
        ("spread(a.test_accuracy) - 1", Operation("-", Score(Arm("a"), "test_accuracy", spread=True), Number(1))),
        ("a['epochs to val_accuracy=0.9']", Score(Arm("a"), "epochs to val_accuracy=0.9")),
        ("spread(arm('b c')['area under val_loss'])", Score(Arm("b c"), "area under val_loss", spread=True)),
    ],
)
def test_what_a_text_says(text: str, node: Node) -> None:
    assert parse(text) == node


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("standard 0.5.test_accuracy - none.test_accuracy", "a name with spaces or signs as arm('standard 0.5')"),
        ("target - none", "'target' names no measure; write target.test_accuracy"),
        ("best('x', by=val_loss) - 1", "names no measure; write best('x', by=val_loss).test_accuracy"),
        ("1 - 2", "it names no arm"),
        ("a.b.test_accuracy", "a name with a dot is written in quotes: arm('a.b')"),
        ("(a - b).test_accuracy", "'a - b' is not an arm"),
        ("a.x ** 2", "'a.x ** 2' is not allowed in a contrast"),
        ("a.x if a.x else 0", "not allowed in a contrast"),
        ("[y.x for y in a]", "not allowed in a contrast"),
        ("a.x < 3", "not allowed in a contrast"),
        ("+a.x", "not allowed in a contrast"),
        ("(lambda: a.x)()", "there is no function"),
        ("men(a.x)", "there is no function 'men'; valid: arm, best"),
        ("spread(a.x - b.x)", "write one measure of an arm, as in spread(target.test_accuracy)"),
        ("spread(spread(a.x))", "write one measure of an arm"),
        ("spread(a).x", "spread takes a measure"),
        ("a[0]", "write a measure in quotes"),
        ("a['']", "write a measure in quotes"),
        ("bets('x', by=val_loss).x", "did you mean 'best'?"),
        ("__import__('os').system('true')", "there is no function"),
        ("True * a.x", "'True' is not a number"),
        ("2j * a.x", "'2j' is not a number"),
        ("'two' * a.x", "is not a number"),
        ("1e999 * a.x", "too large"),
        (f"{'9' * 400} * a.x", "too large"),
        ("arm(a).x", "write one name in quotes"),
        ("arm('a', 'b').x", "write one name in quotes"),
        ("arm('a', b=1).x", "write one name in quotes"),
        ("arm(*'a').x", "write one name in quotes"),
        ("arm(f'{a}').x", "write one name in quotes"),
        ("best('standard *').x", "write arms in quotes or a key, and what decides"),
        ("best('a', by=val_loss, by2=1).x", "write arms in quotes or a key"),
        ("best('a', **by).x", "write arms in quotes or a key"),
        ("best('', by=val_loss).x", "write arms in quotes or a key"),
        ("a.x\x00", "cannot be read"),
        ("a.x + '\udc80'", "cannot be read"),
        ("(" * 250 + "a.x" + ")" * 250, "cannot be read"),
        ("-" * (LONGEST - 3) + "a.x", f"more than {DEEPEST} levels deep"),
        (" + ".join(["a.x"] * (DEEPEST + 2)), f"more than {DEEPEST} levels deep"),
        ("a.x + " * LONGEST + "a.x", f"write at most {LONGEST:,}"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)) as told:
        parse(text)
    assert "\n" not in str(told.value) and len(str(told.value)) < 600


def test_as_deep_as_it_may_be() -> None:
    assert len([*scores(parse(" + ".join(["a.x"] * (DEEPEST + 1))))]) == DEEPEST + 1
    assert parse("-" * DEEPEST + "a.x") == parse(written(parse("-" * DEEPEST + "a.x")))


NAMES = st.text(max_size=12) | st.sampled_from(
    ["a", "none", "arm", "best", "None", "lambda", "_", "ﬁ", "standard 0.5", "'\\"]
)
IDENTIFIERS = st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True).filter(lambda name: not keyword.iskeyword(name))


KEYS = st.lists(IDENTIFIERS, min_size=1, max_size=3).map(".".join)
ARMS = (
    NAMES.map(Arm)
    | st.builds(Best, NAMES.filter(bool), IDENTIFIERS)
    | st.builds(Best, KEYS, NAMES.filter(bool), st.just(True))
)
LEAVES = st.builds(Score, ARMS, IDENTIFIERS) | st.floats(0, allow_infinity=False).map(Number)
NODES = st.recursive(
    LEAVES,
    lambda inner: st.builds(Negative, inner) | st.builds(Operation, st.sampled_from("+-*/"), inner, inner),
    max_leaves=12,
).filter(lambda node: any(scores(node)))


@given(NODES)
def test_what_is_written_is_read_as_it_was(node: Node) -> None:
    assert parse(written(node)) == node


PIECES = st.sampled_from(
    [
        *"()+-*/.,'\"=[]{}:@^%!~<> \n\t\\#",
        "a",
        "arm",
        "best",
        "by=",
        "val_loss",
        "0.5",
        "1e9",
        "lambda ",
        "**",
        "{",
        "f'",
    ]
)


@given(st.text(max_size=60) | st.lists(PIECES, max_size=25).map("".join))
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    try:
        node = parse(text)
    except UsageError as error:
        assert str(error).startswith("contrast '")
    else:
        assert isinstance(node, get_args(Node)) and parse(written(node)) == node


@pytest.mark.parametrize(
    "text", ["touched('x').y", "arm(touched('x')).y", "best('a', by=touched('x')).y", "a.x + touched('x')"]
)
def test_nothing_is_evaluated(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even to be refused: the parser is handed over to no code of Python's, and compiles nothing."""
    called: list[str] = []
    monkeypatch.setitem(
        __builtins__ if isinstance(__builtins__, dict) else vars(__builtins__), "touched", called.append
    )
    for name in ("eval", "exec"):
        monkeypatch.setattr(f"builtins.{name}", lambda *a, **k: called.append("evaluated"))
    with pytest.raises(UsageError):
        parse(text)
    assert not called
