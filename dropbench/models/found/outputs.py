"""The logits in what a module gives: a tensor, or what holds one, as Hugging Face's and torchvision's outputs do.

And whether they are those that the data ask for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from dropbench.errors import UsageError
from dropbench.models.found.arguments import CLASSES, untold


def logits(output: Any) -> Tensor | None:
    """The tensor, `logits` of an object or mapping, or the first tensor of a tuple; None where there is none."""
    if isinstance(output, Tensor):
        return output
    named = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    if isinstance(named, Tensor):
        return named
    if isinstance(output, (list, tuple)):
        return next((part for part in output if isinstance(part, Tensor)), None)
    return None


def described(output: Any) -> str:
    """What a module gives, for messages."""
    found = logits(output)
    if found is None:
        return f"a {type(output).__name__} without logits"
    return f"outputs of shape {list(found.shape)}"


class Misfit(UsageError):
    """A network whose outputs are not those that the data ask for: `told` says which those are.

    gives: what it gives, in words. outputs: how many numbers an example it should give. setting: what may be typed to that end;
    `sure` if it is known to be that.
    """

    def __init__(self, gives: str, outputs: int, setting: str | None = None, sure: bool = False) -> None:
        super().__init__(gives, outputs, setting, sure)
        self.gives, self.outputs, self.setting, self.sure = gives, outputs, setting, sure

    def __str__(self) -> str:
        return self.told("regress" if self.outputs == 1 else "classify")

    def told(self, task: str) -> str:
        """The whole sentence, to a network that is to classify or regress."""
        if task != "regress":
            wanted = f"the data have {self.outputs} classes"
            give = "a classifier gives one row of logits an example"
            if self.setting is not None:
                give = "give it the number of classes"
        elif self.outputs == 1:
            wanted, give = "the data have numbers to predict", "give one number an example, [B] or [B, 1]"
        else:
            wanted = "train.loss=gaussian asks for a number and its variance"
            give = "give two numbers an example, [B, 2]"
        if self.setting is not None:
            give = f"type {self.setting}" if self.sure else f"{give}, by {self.setting} or the like"
        return f"{self.gives}, and {wanted}: {give}"


def check(output: Any, examples: int, outputs: int, make: Any, given: Mapping[str, Any], called: str) -> None:
    """Raises Misfit where this is not what is wanted: a row of `outputs` an example, or of one output a number."""
    found = logits(output)
    if found is not None and tuple(found.shape) in ((examples, outputs), *([(examples,)] if outputs == 1 else [])):
        return
    gives = f"{called} gives {described(output).replace(f'[{examples}, ', '[B, ').replace(f'[{examples}]', '[B]')}"
    if found is None or found.ndim != 2 or len(found) != examples:
        raise Misfit(gives, outputs)
    open_ = untold(make, given)
    number = next((n for n in (*given, *open_) if n in CLASSES), None)
    if number and given.get(number) != outputs:
        raise Misfit(gives, outputs, f"model.args.{number}={outputs}", sure=True)
    raise Misfit(gives, outputs, f"model.args.{open_[0] if open_ else 'NAME'}={outputs}")
