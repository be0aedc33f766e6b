"""Finds the logits in a module's output, which may be a tensor or an object that holds one (Hugging Face, torchvision).

It also checks whether their shape fits the data.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from dropbench.errors import UsageError
from dropbench.models.found.arguments import CLASSES, untold


def logits(output: Any) -> Tensor | None:
    """Returns the tensor itself, `logits` of an object or mapping, or a tuple's first tensor; None if there is none."""
    if isinstance(output, Tensor):
        return output
    named = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    if isinstance(named, Tensor):
        return named
    if isinstance(output, (list, tuple)):
        return next((part for part in output if isinstance(part, Tensor)), None)
    return None


def single(output: Any) -> str | None:
    """Returns the name of an output that is a single number, such as a part of the loss, or None if there is none."""
    named = (
        output.items() if isinstance(output, Mapping) else enumerate(output, 1) if type(output) in (tuple, list) else ()
    )
    numbers = (name for name, part in named if isinstance(part, Tensor) and part.ndim == 0 and part.is_floating_point())
    return next((f"'{name}'" if isinstance(name, str) else f"output {name}" for name in numbers), None)


def heads(output: Any) -> tuple[str, ...]:
    """Returns the names of the outputs beside the logits that have their shape, as those of auxiliary heads have."""
    first = logits(output)
    if first is None or isinstance(output, Tensor):
        return ()
    if isinstance(output, (list, tuple)):  # a named tuple has names, other outputs are counted
        named = list(zip(getattr(output, "_fields", itertools.count(1)), output, strict=False))
    else:
        named = list((output if isinstance(output, Mapping) else getattr(output, "__dict__", {})).items())
    others = [(name, part) for name, part in named if isinstance(part, Tensor) and part is not first]
    told = [name if isinstance(name, str) else f"output {name}" for name, part in others if part.shape == first.shape]
    return tuple(told)


def described(output: Any) -> str:
    """Describes a module's output, for messages."""
    found = logits(output)
    if found is None:
        return f"a {type(output).__name__} without logits"
    return f"outputs of shape {list(found.shape)}"


class Misfit(UsageError):
    """A network whose outputs do not fit the data; `told` makes the message.

    gives: a description of its output. outputs: how many numbers per example it should give. setting: what to type for that.
    hint: what to do, if there is no setting and the data have classes.
    """

    def __init__(self, gives: str, outputs: int, setting: str | None = None, hint: str | None = None) -> None:
        super().__init__(gives, outputs, setting, hint)
        self.gives, self.outputs, self.setting, self.hint = gives, outputs, setting, hint

    def __str__(self) -> str:
        return self.told("regress" if self.outputs == 1 else "classify")

    def told(self, task: str) -> str:
        """Returns the whole message, for a network that should classify or regress."""
        if task != "regress":
            wanted, give = f"the data have {self.outputs} classes", self.hint or "return one row of logits per example"
        elif self.outputs == 1:
            wanted, give = "the task is regression", "return one number per example, [B] or [B, 1]"
        else:
            wanted = "train.loss=gaussian needs a number and its variance"
            give = "return two numbers per example, [B, 2]"
        return f"{self.gives}, but {wanted}: {give if self.setting is None else f'type {self.setting}'}"


def _fits(part: Any, examples: int, outputs: int) -> bool:
    shapes = ((examples, outputs), *([(examples,)] if outputs == 1 else []))
    return isinstance(part, Tensor) and tuple(part.shape) in shapes


def check(
    output: Any, x: Tensor, outputs: int, make: Any, given: Mapping[str, Any], called: str, net: nn.Module
) -> None:
    """Raises Misfit unless the output has one row of `outputs` numbers per example, or one number if `outputs` is 1.

    Raises UsageError for a tuple in which such an output comes later.

    Parameters
    ----------
    output : Any
        What the network returns for x.
    x : Tensor
        Examples, [B, *shape].
    outputs : int
        The numbers per example that the data need.
    make, given, called
        The network's class or function, the arguments that it got, and its name for messages.
    net : nn.Module
        The network.
    """
    found, examples = logits(output), len(x)
    if _fits(found, examples, outputs):
        return
    gives = f"{called} returns {described(output).replace(f'[{examples}, ', '[B, ').replace(f'[{examples}]', '[B]')}"
    fitting = (
        [i for i, part in enumerate(output) if _fits(part, examples, outputs)] if type(output) in (tuple, list) else []
    )
    if fitting:
        place = f"number {fitting[0] + 1}"
        raise UsageError(
            f"{gives} first, and of {len(output)} outputs only {place} fits the data: return that one first"
        )
    open_ = untold(make, given)
    number = next((n for n in (*given, *open_) if n in CLASSES), None)
    row = found is not None and found.ndim == 2 and len(found) == examples
    if row and number and given.get(number) != outputs:
        raise Misfit(gives, outputs, f"model.args.{number}={outputs}")
    raise Misfit(gives, outputs, hint=_hint(found, x, outputs, open_, net))


def _hint(found: Tensor | None, x: Tensor, outputs: int, open_: Sequence[str], net: nn.Module) -> str | None:
    """Returns what to change in a network whose output for x is `found`, if no setting is known; None: nothing special."""
    if found is None:
        return "return a tensor with one row of logits per example, or name it 'logits'"
    if found.shape == x.shape:
        return "that is the shape of its input, and what reconstructs must be written for dropbench, as model=autoencoder is"
    if outputs == 2 and found.numel() == len(x) == len(found):
        return "return two logits per example, one for each class, in place of one for the second class"
    if found.ndim == 2 and len(found) == len(x):
        by = (
            f"pass it the number of classes, if one of its arguments is that ({', '.join(open_)}), or " if open_ else ""
        )
        return f"{by}let its last layer give {outputs} numbers"
    if any(getattr(part, "batch_first", True) is False for part in net.modules()):
        return "return one row of logits per example; perhaps it reads examples as steps (batch_first=True?)"
    return None
