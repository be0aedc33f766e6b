"""Any `nn.Module`, unchanged: a network written without dropbench, whose dropout layers become sites.

Only the instance that is created here is changed. Its dropouts, recurrent layers, attentions and dense layers take noise
from dropbench instead of dropping by themselves (`found/parts.py`). Trial forward passes find out where they do so
(`found/finding.py`). docs/models.md is for users.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from fnmatch import fnmatchcase
from functools import partial
from traceback import walk_tb
from typing import Annotated, Any, Literal

import torch
from hydra.utils import get_object
from pydantic import BeforeValidator
from torch import Tensor, nn

from dropbench.errors import UsageError, nearest
from dropbench.models.found.arguments import Missing, completed, fixed_size, likely
from dropbench.models.found.current import Current, Taken
from dropbench.models.found.finding import Found, copied, find
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
_SIZES = {
    "image": r"to have \d+ channels",
    "flat": "mat1 and mat2",
    "sequence": "mat1 and mat2|input_size",
    "tokens": "index out of range",
}
"""By the form of an example, what torch says if a layer takes another size than that of its input."""
_known: dict[tuple[Any, ...], Found] = {}
"""A cache of what was found in networks; the key holds everything that the result depends on."""


class Module(nn.Module):
    """Wraps a user's network in the contract of `models`, without a replica axis.

    Attributes
    ----------
    net : nn.Module
        The user's network, an instance of its class.
    sites : tuple of Site
        In the order in which a forward pass reaches them; the input first.
    idle : tuple of str
        The network's dropout layers that are never called, and so are off in every arm.
    parts : tuple of str
        Names of the submodules that a forward pass calls. On request, noise can act on the output of each.
    single : str or None
        The name of an output that is a single number, such as a part of the loss. Training does not use it.
    """

    eats = ("image", "flat", "sequence", "tokens")
    inside = _PREFIX
    """The prefix that this class adds to the names of the network's submodules."""

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
        """Creates the network and takes over its dropout layers.

        Parameters
        ----------
        shape : Shape
            Shape of one example; its attribute `view` is the form in which the network receives it.
        n_classes : int
            Number of classes. In regression, the number of outputs per example: 1, or 2 with a variance.
        target : str
            The import path of a subclass of nn.Module, or of a function that returns a module.
        args : mapping
            Its keyword arguments.
        sites : sequence of str
            Names or patterns of submodules whose outputs become sites too.
        input : str
            The view in which the network receives an example: the view of `shape`, or auto.

        Raises
        ------
        UsageError
            If it does not output one logit per class, or in regression one number per example.
        """
        super().__init__()
        assert target is not None  # checked when the configuration was read
        make = get_object(target)
        view, called = shape.view, f"model=module: {target}"  # type: ignore[attr-defined]
        given = completed(make, view, shape, n_classes, args or {})
        with torch.device("cpu"):
            x = _examples(shape, view)
            made = make(**given)
            self.net: nn.Module = getattr(
                made, "_orig_mod", made
            )  # the network that torch.compile wraps, for its names
            if not isinstance(self.net, nn.Module):
                raise UsageError(f"{called} returns a {type(self.net).__name__}, which is not an nn.Module")
            if any(isinstance(p, nn.parameter.UninitializedParameter) for p in self.net.parameters()):
                with torch.no_grad():
                    _forward(self.net.eval(), x[:2])  # lazy layers take their shapes from their first input
            self.net.train()
            self._current = Current()
            self.one_layer = _one_layer(self.net)
            dropping = take_over(self.net, self._current)
            asked = self._declare(sites or (), called)
            key = (make, json.dumps([given, list(sites or ())], default=str), tuple(shape), view, n_classes)
            if key not in _known:
                with seeded(0, self.net):
                    tried = copied(self.net, self._current)
                    check(_called(tried[0].eval(), tried[1], x), x, n_classes, make, given, called, self.net)
                    _known[key] = find(self.net, self._current, _forward, x, dropping, _PREFIX)
        found = _known[key]
        self._current.places = found.places
        self.idle = found.idle
        self.parts = found.parts
        self.single, self.heads = found.single, found.heads
        for pattern, chosen in asked.items():
            if not set(chosen) & set(self.parts):
                hint = nearest(pattern, self.parts) if self.parts else "it calls none"
                raise UsageError(
                    f"model.sites: {called} never calls {', '.join(chosen)}, so nothing is output there; {hint}"
                )
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
        # One number per example may come without its own axis. If the network squeezes it, a single example has no axis at all.
        return out.reshape(len(x), 1) if self._outputs == 1 and out.ndim < 2 else out

    def _declare(self, patterns: Sequence[str], called: str) -> dict[str, list[str]]:
        """Lets noise act after the submodules that the patterns choose, which it returns."""
        asked: dict[str, list[str]] = {}
        names = [name for name, _ in self.net.named_modules() if name]
        for pattern in patterns:
            chosen = [n for n in names if fnmatchcase(n, pattern)]
            if not chosen:
                raise UsageError(f"model.sites: {called} has no submodule '{pattern}'; {nearest(pattern, names)}")
            asked[pattern] = chosen
            for name in chosen:
                part = self.net.get_submodule(name)
                taken = getattr(part, "taken", None)
                if isinstance(taken, Taken) and taken.name == name and taken.kind not in ("weight", "token"):
                    continue  # it is a site already
                part.register_forward_hook(partial(_after, Taken(self._current, name, "activation")))
        return asked

    @staticmethod
    def view_of(shapes: Sequence[Any], n_classes: int, task: str, **options: Any) -> str:
        """Returns the first view in which the network can be created and gives each example its own logits.

        `task`, `classify` or `regress`, decides how messages describe its outputs.

        Raises
        ------
        UsageError
            If there is no such view; it says what happened in each.
        """
        failed: list[tuple[Any, Exception]] = []
        for shape in shapes:
            try:
                with seeded(0):
                    model = Module(shape, n_classes, **options)
                    if options.get("input", "auto") == "auto":
                        _check_apart(model, _examples(shape, shape.view), options["target"], shape.view)
                return str(shape.view)
            except Exception as error:  # a user's module may raise anything
                failed.append((shape, error))
        raise _no_view(failed, task, options["target"], options.get("args") or {})


def _one_layer(net: nn.Module) -> tuple[str, ...]:
    """Returns the recurrent networks of one layer of which torch's dropout is to drop something: it acts between layers."""
    recurrent = [(name or "it", part) for name, part in net.named_modules() if isinstance(part, nn.RNNBase)]
    return tuple(name for name, part in recurrent if part.num_layers == 1 and part.dropout)


def _forward(net: nn.Module, x: Tensor) -> Any:
    """Calls the network without torch's fast path of attention, which in evaluation bypasses the submodules taken over.

    What `torch.compile` has wrapped is called as it was written: it would be compiled anew for each kind of noise and size of a
    batch, which takes minutes.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    compiles = "torch._dynamo" in sys.modules  # without it nothing is compiled; importing it takes seconds
    try:
        with torch.compiler.set_stance("force_eager") if compiles else nullcontext():
            return net(x)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@torch.no_grad()
def _called(net: nn.Module, current: Current, x: Tensor) -> Any:
    with current.of(None):
        return _forward(net, x)


def _after(taken: Taken, part: nn.Module, given: Any, output: Any) -> Any:
    """Applies noise to the output of a named submodule, or to the first tensor of an output of several."""
    if isinstance(output, Tensor):
        return taken.act(output, part.training)
    if type(output) in (tuple, list) and output and isinstance(output[0], Tensor):
        return type(output)([taken.act(output[0], part.training), *output[1:]])
    raise UsageError(f"model.sites: {taken.name} outputs a {type(output).__name__}, but noise can only act on a tensor")


def _examples(shape: Sequence[int], view: str) -> Tensor:
    """Returns three random examples."""
    generator = torch.Generator().manual_seed(0)
    if view == "tokens":
        words, vocabulary = shape
        return torch.randint(1, max(2, vocabulary), (3, words), generator=generator)
    return torch.randn(3, *shape, generator=generator)


def _check_apart(model: Module, x: Tensor, target: str, view: str) -> None:
    """Raises UsageError if, in evaluation, the output for an example depends on the other examples of the batch."""
    model.eval()

    def said(x: Tensor, seed: int = 0) -> Tensor:
        with seeded(seed):
            found = logits(_called(*copied(model.net, model._current), x))
        assert found is not None  # checked when the model was created
        return found

    once, again, turned = said(x), said(x, 1), said(x.flip(0)).flip(0)
    # Attention across examples gives a turned batch the turned outputs, so the middle example is also tried beside others.
    beside = torch.cat([turned, said(x[[2, 1, 2]])[1:2]])
    steady = torch.equal(once, again) and bool(once.isfinite().all())
    if steady and not torch.allclose(torch.cat([once, once[1:2]]), beside, 1e-2, 1e-3):
        raise UsageError(
            f"model=module: for one example (as {view}), the output of {target} depends on the other examples of the batch, "
            f"perhaps because it reads examples as steps (batch_first=True?); if this is intended, type model.input={view}"
        )


def _no_view(failed: Sequence[tuple[Any, Exception]], task: str, target: str, typed: Mapping[str, Any]) -> UsageError:
    """Returns the most useful error: outputs that do not fit, else an exception of the network, else a missing argument."""
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
    shape, error = raised[0]
    if more := likely(get_object(target), shape.view, shape, typed):
        hint = f"perhaps it needs {' '.join(more)}, and model.input sets the form of an example"
    elif "CUDA" in texts[0] or "same device" in texts[0]:
        hint = "dropbench moves network and data by itself: leave out .cuda() and .to(device)"
    elif any(frame.f_code is _forward.__code__ for frame, _ in walk_tb(error.__traceback__)):
        hint = _given(raised, get_object(target))
    else:
        hint = "model.args sets its arguments"
    return UsageError(f"model=module: {target} cannot be called on these data{told}; {hint}")


def _given(raised: Sequence[tuple[Any, Exception]], make: Any) -> str:
    """Returns what a network's forward gets and, if a layer of it has another size, how the network can have this one."""
    first = raised[0][0]
    size = f" of the shape [B, {', '.join(map(str, first))}]" if len(raised) == 1 and first.view != "tokens" else ""
    kind = "int64" if first.view == "tokens" else "float32"
    told = f"its forward gets one tensor, {kind}{size}, and model.input sets the form of an example"
    misfits = (shape for shape, error in raised if re.search(_SIZES.get(shape.view, "$^"), str(error)))
    for name, value in filter(None, (fixed_size(make, shape.view, shape) for shape in misfits)):
        return f"{told}; to fit any data, let its __init__ take {name} (here {value}), which dropbench fills in: docs/models.md"
    return told


def shortened(error: Exception, most: int = 160) -> str:
    """Returns the message of an exception on one line."""
    text = " ".join(str(error).split())
    return text if len(text) <= most else f"{text[: most - 3]}..."
