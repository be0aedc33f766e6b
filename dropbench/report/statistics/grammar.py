"""The grammar of contrasts such as `target.test_accuracy - none.test_accuracy`, which are parsed into small frozen objects.

Python's own parser reads the text, and all but a few kinds of its nodes are rejected; nothing is ever evaluated as Python.
Names are checked later, where arms and measures are known. `written` is the inverse: `parse(written(node)) == node`.

    contrast  = number | score | "spread(" score ")" | "-" contrast
              | contrast ("+" | "-" | "*" | "/") contrast | "(" contrast ")"
    score     = arm "." measure | arm "[" string "]"
    arm       = name | "arm(" string ")" | "best(" (string | key) ", by=" measure ")"
"""

from __future__ import annotations

import ast
import keyword
import math
import unicodedata
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from dropbench.errors import UsageError, nearest
from dropbench.values import plain

LONGEST = 10_000
"""The largest number of characters of a contrast."""
DEEPEST = 100
"""The largest nesting depth; a sum of n terms has a depth of n."""
FUNCTIONS = ("arm", "best", "spread")
_SHOWN = 120
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_RANKS = {"+": 1, "-": 1, "*": 2, "/": 2}
_UNARY, _ATOM = 3, 4
_PARTS = "write numbers, arm.measure, + - * / and parentheses"


@dataclass(frozen=True)
class Arm:
    """An arm, given by its name in the plan or by its label."""

    name: str


@dataclass(frozen=True)
class Best:
    """The arm, among several, that is best on validation data.

    of: a glob over names of arms or, if `key`, a configuration key in which they differ. by: the measure that decides.
    """

    of: str
    by: str
    key: bool = False


@dataclass(frozen=True)
class Score:
    """A measure of an arm; or, if `spread`, the distance between its value under a seed and its median over seeds.

    The means of these distances are compared to compare spreads (Brown & Forsythe 1974, JASA 69:364).
    """

    arm: Arm | Best
    measure: str
    spread: bool = False


@dataclass(frozen=True)
class Number:
    """A number as it is typed; it has no sign, so it is never below 0."""

    value: float


@dataclass(frozen=True)
class Negative:
    """A contrast with a minus sign before it."""

    of: Node


@dataclass(frozen=True)
class Operation:
    """Two contrasts joined by an arithmetic operator."""

    sign: Literal["+", "-", "*", "/"]
    left: Node
    right: Node


Node = Score | Number | Negative | Operation


def parse(text: str) -> Node:
    """Parse a text; raise UsageError, and no other error, if it is not a contrast."""
    try:
        node = _read(_tree(text), text.strip(), 0)
        if not any(scores(node)):
            raise UsageError("it names no arm; write arm.measure, as in target.test_accuracy - none.test_accuracy")
        return node
    except UsageError as error:
        raise UsageError(f"contrast '{_short(text)}': {error}") from None


def written(node: Node) -> str:
    """Return a contrast as a person would type it.

    >>> written(parse("(b.test_loss) - (a.test_loss + a.test_loss) / 2"))
    'b.test_loss - (a.test_loss + a.test_loss) / 2'
    """
    return _written(node)[0]


def arm_written(arm: Arm | Best) -> str:
    """Return an arm as a person would type it."""
    if isinstance(arm, Arm):
        return arm.name if _is_name(arm.name) else f"arm({arm.name!r})"
    by = arm.by if all(map(_is_name, arm.by.split("."))) else repr(arm.by)
    return f"best({arm.of if arm.key else repr(arm.of)}, by={by})"


def scores(node: Node) -> Iterator[Score]:
    """Iterate over all scores of a contrast from left to right; a score that is named twice comes twice."""
    if isinstance(node, Score):
        yield node
    elif isinstance(node, Negative):
        yield from scores(node.of)
    elif isinstance(node, Operation):
        yield from scores(node.left)
        yield from scores(node.right)


def _tree(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise UsageError(f"it has {len(text):,} characters; write at most {LONGEST:,}")
    try:
        with warnings.catch_warnings(action="ignore"):  # Python's own warnings about odd syntax
            return ast.parse(text.strip(), mode="eval").body
    except (RecursionError, MemoryError):
        raise UsageError(f"it is nested more than {DEEPEST} levels deep; write several contrasts") from None
    except (SyntaxError, ValueError):  # ValueError: a character that no source text may hold
        raise UsageError(
            "it cannot be read; write arm.measure, as in target.test_accuracy - none.test_accuracy, and a name with "
            "spaces or signs as arm('standard 0.5').test_accuracy"
        ) from None


def _read(tree: ast.expr, text: str, depth: int) -> Node:
    """Convert a node of Python's syntax tree; text: the whole contrast, which error messages quote from."""
    if depth > DEEPEST:
        raise UsageError(f"it is nested more than {DEEPEST} levels deep; write several contrasts")
    if isinstance(tree, ast.Constant):
        return _number(tree, text)
    if isinstance(tree, ast.Attribute):
        return Score(_arm(tree.value, text), tree.attr)
    if isinstance(tree, ast.Subscript):
        return _in_words(tree, text)
    if isinstance(tree, ast.Call) and _dotted(tree.func) == "spread":
        return _spread(tree, text)
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        return Negative(_read(tree.operand, text, depth + 1))
    if isinstance(tree, ast.BinOp) and (sign := _SIGNS.get(type(tree.op))):
        return Operation(sign, _read(tree.left, text, depth + 1), _read(tree.right, text, depth + 1))  # type: ignore[arg-type]
    said = _said(tree, text)
    if isinstance(tree, ast.Name | ast.Call):
        arm = _arm(tree, text)  # raises if something else than the missing measure is wrong
        raise UsageError(f"'{said}' names no measure; write {arm_written(arm)}.test_accuracy")
    raise UsageError(f"'{said}' is not allowed in a contrast; {_PARTS}")


def _number(tree: ast.Constant, text: str) -> Number:
    value = tree.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"'{_said(tree, text)}' is not a number; {_PARTS}")
    try:
        if math.isfinite(number := float(value)):
            return Number(number)
    except OverflowError:
        pass
    raise UsageError(f"'{_said(tree, text)}' is too large a number")


def _in_words(tree: ast.Subscript, text: str) -> Score:
    measure = _text(tree.slice)
    if not measure:
        raise UsageError(
            f"'{_said(tree, text)}': write a measure in quotes, as in target['epochs to val_accuracy=0.9']"
        )
    return Score(_arm(tree.value, text), measure)


def _spread(tree: ast.Call, text: str) -> Score:
    inner = _read(tree.args[0], text, 0) if len(tree.args) == 1 and not tree.keywords else None
    if not isinstance(inner, Score) or inner.spread:
        raise UsageError(f"'{_said(tree, text)}': write one measure of an arm, as in spread(target.test_accuracy)")
    return replace(inner, spread=True)


def _arm(tree: ast.expr, text: str) -> Arm | Best:
    if isinstance(tree, ast.Name):
        return Arm(tree.id)
    said = _said(tree, text)
    if dotted := _dotted(tree):
        raise UsageError(f"a name with a dot is written in quotes: arm('{dotted}')")
    if not isinstance(tree, ast.Call):
        raise UsageError(f"'{said}' is not an arm, and only arms have measures; write target.test_accuracy")
    function = _dotted(tree.func) or _said(tree.func, text)
    if function not in FUNCTIONS:
        raise UsageError(f"there is no function '{_short(function)}'; {nearest(function, FUNCTIONS)}")
    if function == "spread":
        raise UsageError(f"'{said}': spread takes a measure; write spread(target.test_accuracy)")
    return _named(tree, said) if function == "arm" else _best(tree, said)


def _named(tree: ast.Call, said: str) -> Arm:
    name = _text(tree.args[0]) if len(tree.args) == 1 and not tree.keywords else None
    if name is None:
        raise UsageError(f"'{said}': write one name in quotes, as in arm('standard 0.5')")
    return Arm(name)


def _best(tree: ast.Call, said: str) -> Best:
    named = {k.arg: k.value for k in tree.keywords}
    if len(tree.args) == len(tree.keywords) == 1 and set(named) == {"by"}:
        by = _text(named["by"]) or _dotted(named["by"])
        glob, key = _text(tree.args[0]), _dotted(tree.args[0])
        if by and (glob or key):
            return Best(glob or key, by, key=not glob)
    raise UsageError(
        f"'{said}': write arms in quotes or a key, and what decides, as in best('standard *', by=val_loss) or "
        "best(dropout.rate, by=val_loss)"
    )


def _text(tree: ast.expr) -> str | None:
    return tree.value if isinstance(tree, ast.Constant) and isinstance(tree.value, str) else None


def _dotted(tree: ast.expr) -> str:
    """Return a name or an attribute chain as text, such as `dropout.rate`; empty for any other node."""
    parts: list[str] = []
    while isinstance(tree, ast.Attribute):
        parts.append(tree.attr)
        tree = tree.value
    return ".".join(reversed([*parts, tree.id])) if isinstance(tree, ast.Name) else ""


def _said(tree: ast.expr, text: str) -> str:
    """Return the part of the text from which a node was parsed."""
    return _short(ast.get_source_segment(text, tree) or text)


def _short(text: str) -> str:
    whole = plain(text)
    return whole if len(whole) <= _SHOWN else whole[: _SHOWN - 1] + "…"


def _written(node: Node) -> tuple[str, int]:
    """Return the text of a node and the precedence of its outermost operator."""
    if isinstance(node, Number):
        return repr(node.value).removesuffix(".0"), _ATOM
    if isinstance(node, Score):
        measure = f".{node.measure}" if _is_name(node.measure) else f"[{node.measure!r}]"
        score = f"{arm_written(node.arm)}{measure}"
        return f"spread({score})" if node.spread else score, _ATOM
    if isinstance(node, Negative):
        return f"-{_within(node.of, _UNARY)}", _UNARY
    rank = _RANKS[node.sign]
    return f"{_within(node.left, rank)} {node.sign} {_within(node.right, rank + 1)}", rank


def _within(node: Node, least: int) -> str:
    """Return the text of a node, in parentheses if its precedence is below `least`."""
    text, rank = _written(node)
    return text if rank >= least else f"({text})"


def _is_name(text: str) -> bool:
    """Return whether Python reads the text as this very identifier; it normalizes ligatures and the like (PEP 3131)."""
    return text.isidentifier() and not keyword.iskeyword(text) and unicodedata.normalize("NFKC", text) == text
