"""Any `nn.Module` as it is: a network that knows nothing of dropbench, whose dropouts become sites.

The instance that is made here is changed, and nothing else: its dropouts, recurrent layers, attentions and dense layers ask
for noise where they dropped by themselves (`found/parts.py`); where in a forward they do is found by dry forwards
(`found/finding.py`). docs/models.md is for users.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Annotated, Any, Literal

import torch
from hydra.utils import get_object
from pydantic import BeforeValidator
from torch import Tensor, nn

from dropbench.errors import UsageError, nearest
from dropbench.models.found.arguments import Missing, completed, likely
from dropbench.models.found.current import Current, Taken
from dropbench.models.found.finding import Found, find
from dropbench.models.found.outputs import Misfit, check, logits
from dropbench.models.found.parts import take_over
from dropbench.models.found.place import usual
from dropbench.process.blame import place
from dropbench.sites import Site
from dropbench.sites.noise import Noise
from dropbench.sites.own_draws import seeded
from dropbench.values import word

Input = Literal["auto", "image", "flat", "sequence", "tokens"]
_PREFIX = "net."
_AXES = {"image": "CHW", "flat": "F", "sequence": "TF"}
_known: dict[tuple[Any, ...], Found] = {}
"""What was found in a network, by all that it follows from."""


class Module(nn.Module):
    """A user's network behind the contract of `models`, without a replica axis.

    Attributes
    ----------
    net : nn.Module
        The user's, an instance of its class.
    sites : tuple of Site
        In the order in which a forward comes to them; the input first.
    idle : tuple of str
        Dropouts of the network's that are never called, and so are off in every arm.
    parts : tuple of str
        Names of all of its parts, behind which noise may act where one asks for it.
    """

    eats = ("image", "flat", "sequence", "tokens")
    inside = _PREFIX
    """How the names of the network's parts begin here, which its author does not know them by."""

    def __init__(
        self,
        shape: Sequence[int],
        n_classes: int,
        *,
        target: str | None = None,
        args: Mapping[str, Any] | None = None,
        sites: Sequence[Annotated[str, BeforeValidator(word)]] | None = None,
        input: Input = "auto",
    ) -> None:
        """Makes the network and takes over what drops in it.

        Parameters
        ----------
        shape : Shape
            One example, which knows its view.
        n_classes : int
            How many classes there are; of a number that is predicted the outputs of an example: 1, or 2 with its variance.
        target : str
            The import path of a subclass of nn.Module, or of a function that makes one.
        args : mapping
            What it is given by name.
        sites : sequence of str
            Names of its parts, or patterns, behind which noise may act too.
        input : str
            The view in which it sees an example; that of `shape`, or auto.

        Raises
        ------
        UsageError
            Where it gives no logits of these classes, or of one output not a number an example.
        """
        super().__init__()
        assert target is not None  # looked at when the configuration was read
        make = get_object(target)
        view, called = shape.view, f"model=module: {target}"  # type: ignore[attr-defined]
        given = completed(make, view, shape, n_classes, args or {})
        with torch.device("cpu"):
            x = _examples(shape, view)
            self.net: nn.Module = make(**given)
            if not isinstance(self.net, nn.Module):
                raise UsageError(f"{called} gives a {type(self.net).__name__}, which is no nn.Module")
            if any(isinstance(p, nn.parameter.UninitializedParameter) for p in self.net.parameters()):
                with torch.no_grad():
                    self.net.eval()(x[:2])  # lazy layers take their shapes from what they see first
            self.net.train()
            self._current = Current()
            dropping = take_over(self.net, self._current)
            self._declare(sites or (), called)
            key = (make, json.dumps([given, list(sites or ())], default=str), tuple(shape), view, n_classes)
            if key not in _known:
                with seeded(0, self.net):
                    tried = copy.deepcopy((self.net, self._current))  # it may keep what it saw
                    check(_called(tried[0].eval(), tried[1], x), len(x), n_classes, make, given, called)
                    _known[key] = find(self.net, self._current, _forward, x, dropping, _PREFIX)
        found = _known[key]
        self._current.places = found.places
        self.idle = found.idle
        self.parts = tuple(name for name, _ in self.net.named_modules() if name)
        entry = () if view == "tokens" else (Site("input", "activation", tuple(shape), _AXES[view]),)
        self.sites = (*entry, *(at.site for at in found.places.values()))
        self._has_input, self._outputs = bool(entry), n_classes

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps x [B, *shape], or word numbers [B, T] int64, to logits [B, n_classes]."""
        if self._has_input:
            x = noise("input", x)
        with self._current.of(noise):
            out = logits(_forward(self.net, usual(x)))
        assert out is not None
        # One number an example may come without an axis of its own; squeezed, that of a single example has no axis at all.
        return out.reshape(len(x), 1) if self._outputs == 1 and out.ndim < 2 else out

    def _declare(self, patterns: Sequence[str], called: str) -> None:
        names = [name for name, _ in self.net.named_modules() if name]
        for pattern in patterns:
            chosen = [n for n in names if fnmatchcase(n, pattern)]
            if not chosen:
                raise UsageError(f"model.sites: {called} has no part '{pattern}'; {nearest(pattern, names)}")
            for name in chosen:
                part = self.net.get_submodule(name)
                taken = getattr(part, "taken", None)
                if isinstance(taken, Taken) and taken.name == name and taken.kind not in ("weight", "token"):
                    continue  # it is a site already
                part.register_forward_hook(partial(_after, Taken(self._current, name, "activation")))

    @staticmethod
    def view_of(shapes: Sequence[Any], n_classes: int, task: str, **options: Any) -> str:
        """The view of these in which a network can be made, takes two examples and gives logits of each by itself.

        `task` is what it learns, `classify` or `regress`, by which messages call its outputs.

        Raises
        ------
        UsageError
            Where there is none, with what happened in each.
        """
        failed: list[tuple[Any, Exception]] = []
        for shape in shapes:
            try:
                with seeded(0):
                    model = Module(shape, n_classes, **options)
                    if options.get("input", "auto") == "auto":
                        _check_apart(model, _examples(shape, shape.view), options["target"], shape.view)
                return str(shape.view)
            except Exception as error:  # whatever a user's module raises
                failed.append((shape, error))
        raise _no_view(failed, task, options["target"], options.get("args") or {})


def _forward(net: nn.Module, x: Tensor) -> Any:
    """Without torch's fast path of attention, which in evaluation goes by every part that was taken over."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        return net(x)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@torch.no_grad()
def _called(net: nn.Module, current: Current, x: Tensor) -> Any:
    with current.of(None):
        return _forward(net, x)


def _after(taken: Taken, part: nn.Module, given: Any, output: Any) -> Any:
    """Noise behind a part that was named; behind the first tensor of what gives several."""
    if isinstance(output, Tensor):
        return taken.act(output, part.training)
    if type(output) in (tuple, list) and output and isinstance(output[0], Tensor):
        return type(output)([taken.act(output[0], part.training), *output[1:]])
    raise UsageError(f"model.sites: {taken.name} gives a {type(output).__name__}, behind which no noise can act")


def _examples(shape: Sequence[int], view: str) -> Tensor:
    """Three examples."""
    generator = torch.Generator().manual_seed(0)
    if view == "tokens":
        words, vocabulary = shape
        return torch.randint(1, max(2, vocabulary), (3, words), generator=generator)
    return torch.randn(3, *shape, generator=generator)


def _check_apart(model: Module, x: Tensor, target: str, view: str) -> None:
    """Raises UsageError where what it says of an example depends on those before or after it, in evaluation."""
    model.eval()

    def said(x: Tensor, seed: int = 0) -> Tensor:
        with seeded(seed):
            found = logits(_called(*copy.deepcopy((model.net, model._current)), x))
        assert found is not None  # it has been looked at
        return found

    once, again, turned = said(x), said(x, 1), said(x.flip(0)).flip(0)
    if torch.equal(once, again) and bool(once.isfinite().all()) and not torch.allclose(once, turned, 1e-2, 1e-3):
        raise UsageError(
            f"model=module: {target} says of an example as {view} what depends on those beside it in the batch, as where "
            f"examples are taken for steps of a sequence (batch_first=True?); where that is meant, type model.input={view}"
        )


def _no_view(failed: Sequence[tuple[Any, Exception]], task: str, target: str, typed: Mapping[str, Any]) -> UsageError:
    """What is most worth to be told: outputs that do not fit, then what was raised, then what it could not be made without."""
    for known in (error for _, error in failed):
        if isinstance(known, Misfit):
            return UsageError(known.told(task))
        if isinstance(known, UsageError) and not isinstance(known, Missing):
            return known
    raised = [(shape, error) for shape, error in failed if not isinstance(error, UsageError)]
    if not raised:
        return UsageError(str(failed[-1][1]))
    texts = [f"{type(error).__name__}: {shortened(error)}{place(error)}" for _, error in raised]
    if len(set(texts)) == 1:
        told = f": {texts[0]}"
    else:
        told = " " + "; ".join(f"as {s.view} {list(s)}: {text}" for (s, _), text in zip(raised, texts, strict=True))
    shape = raised[0][0]
    more = likely(get_object(target), shape.view, shape, typed)
    hint = f"perhaps it needs {' '.join(more)}" if more else "model.args says what it is made with"
    return UsageError(
        f"model=module: {target} cannot be called on these data{told}; {hint}, model.input how it sees an example"
    )


def shortened(error: Exception, most: int = 160) -> str:
    """What an exception says, on one line."""
    text = " ".join(str(error).split())
    return text if len(text) <= most else f"{text[: most - 3]}..."
