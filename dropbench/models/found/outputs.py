"""Finds the logits in a module's output, which may be a tensor or an object that holds one (Hugging Face, torchvision).

It also checks whether their shape fits the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

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


def described(output: Any) -> str:
    """Describes a module's output, for messages."""
    found = logits(output)
    if found is None:
        return f"a {type(output).__name__} without logits"
    return f"outputs of shape {list(found.shape)}"


class Misfit(UsageError):
    """A network whose outputs do not fit the data; `told` makes the message.

    gives: a description of its output. outputs: how many numbers per example it should give. setting: what to type for that;
    `sure` if the setting is certain.
    """

    def __init__(self, gives: str, outputs: int, setting: str | None = None, sure: bool = False) -> None:
        super().__init__(gives, outputs, setting, sure)
        self.gives, self.outputs, self.setting, self.sure = gives, outputs, setting, sure

    def __str__(self) -> str:
        return self.told("regress" if self.outputs == 1 else "classify")

    def told(self, task: str) -> str:
        """Returns the whole message, for a network that should classify or regress."""
        if task != "regress":
            wanted = f"the data have {self.outputs} classes"
            give = "return one row of logits per example"
            if self.setting is not None:
                give = "pass it the number of classes"
        elif self.outputs == 1:
            wanted, give = "the task is regression", "return one number per example, [B] or [B, 1]"
        else:
            wanted = "train.loss=gaussian needs a number and its variance"
            give = "return two numbers per example, [B, 2]"
        if self.setting is not None:
            give = f"type {self.setting}" if self.sure else f"{give}, for instance by {self.setting}"
        return f"{self.gives}, but {wanted}: {give}"


def _fits(part: Any, examples: int, outputs: int) -> bool:
    shapes = ((examples, outputs), *([(examples,)] if outputs == 1 else []))
    return isinstance(part, Tensor) and tuple(part.shape) in shapes


def check(output: Any, examples: int, outputs: int, make: Any, given: Mapping[str, Any], called: str) -> None:
    """Raises Misfit unless the output has one row of `outputs` numbers per example, or one number if `outputs` is 1.

    Raises UsageError for a tuple in which such an output comes later.
    """
    found = logits(output)
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
    if found is None or found.ndim != 2 or len(found) != examples:
        raise Misfit(gives, outputs)
    open_ = untold(make, given)
    number = next((n for n in (*given, *open_) if n in CLASSES), None)
    if number and given.get(number) != outputs:
        raise Misfit(gives, outputs, f"model.args.{number}={outputs}", sure=True)
    raise Misfit(gives, outputs, f"model.args.{open_[0] if open_ else 'NAME'}={outputs}")
