"""Decides whether runs of a user's module can train as a stack, by a trial before any plan relies on it.

On a CPU a run has the same bits alone and in any stack. Under `vmap` this requires two things. Replicas computed together
must give exactly what each gives by itself. And no function that torch computes differently at the end of a tensor may be
applied to replicas that end within a vector register (docs/engine.md). The second is checked by the functions' names and not
left to the trial, because such differences show only in a few numbers, now and then. On an accelerator there is no such
promise, and it only matters whether `vmap` can run the module; this too is tried on the CPU, because a process that has used
CUDA cannot be forked.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from hydra.utils import get_object
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from dropbench.engine import own_noise
from dropbench.engine.user_module import Ordinary, Plain
from dropbench.engine.vmapped import Vmapped
from dropbench.hardware.blas import one_thread
from dropbench.identity import HOST
from dropbench.nn.embedding import lookup
from dropbench.nn.product import affine
from dropbench.planning.outline import Outline
from dropbench.process.apart import PartFailed, apart
from dropbench.sites.noise import Noise
from dropbench.spec import Component, TrainSpec

_SEEDS = (0, 1, 2)
_ODD = 5
"""The number of examples in the first batch: small and odd, so that whether registers are filled depends on layer widths."""
_VECTOR = 32
"""The float32 numbers that torch's vectorised loops process at a time with the widest registers (two of AVX-512)."""
_CHANNELS = 16
"""The float32 numbers in one such register; batch norm's rounding of a channel depends on its position in a register."""
_FEW, _MANY, _NUMBERS = 5, 67, 2**22
"""Sizes of the stacks that are tried. torch's sums over examples depend on a column's position among all columns, in groups of
up to 64. So a small model is tried in a stack of up to _MANY replicas, which fills several groups; a large model fills them by
itself. _NUMBERS bounds the parameters of the stack, which has at least _FEW replicas."""
_LARGE = 2**20
"""The number of parameters beyond which `cohorts` stacks nothing on a CPU: 16 MiB of weights, gradients and moments."""
_CLOSE = 1e-3
"""The largest difference between the results of `vmap` and of the module itself, relative to the norm. It allows for other
kernels' rounding."""
Given = tuple[Tensor, Tensor]
_known: dict[str, str | None] = {}


def unstacked(model: Component, outline: Outline, train: TrainSpec, device: str) -> str | None:
    """Returns why runs of a module without a replica axis train one by one on this device, or None if `vmap` can stack them.

    The answer depends on nothing in which the runs of a cohort may differ. It is found once per process and kind of run.
    """
    data = f"{outline.shape} {outline.view} {outline.n_classes}"
    key = f"{model.model_dump_json()} {data} {train.batch_size} {train.precision} {device}"
    if key not in _known:
        _known[key] = _found(model, outline, train, exact=device == "cpu")
    return _known[key]


def note(model: Component, outline: Outline, train: TrainSpec, device: str) -> str:
    """Returns a note for the user on how such runs were trained."""
    reason = unstacked(model, outline, train, device)
    return "trained stacked by vmap" if reason is None else f"trained unstacked: {reason}"


def _found(model: Component, outline: Outline, train: TrainSpec, exact: bool) -> str | None:
    try:
        return apart(model.code, f"model={model.name}", lambda: _reason(model, outline, train, exact))
    except PartFailed as error:  # each run will report this failure itself
        return str(error)


def _reason(model: Component, outline: Outline, train: TrainSpec, exact: bool) -> str | None:
    cls = get_object(model.target)
    if outline.own_noise:
        return own_noise.ALONE
    if train.precision != "fp32":
        return f"vmap does not support train.precision={train.precision}"
    if exact and outline.parameters > _LARGE:
        return f"one replica with its {outline.parameters:,} parameters already fills the cache of a CPU"
    if hasattr(cls, "begin") or hasattr(cls, "attach"):
        return "it has a state or a graph of its own, which vmap cannot stack"

    def construct() -> nn.Module:
        module: nn.Module = cls(outline.shape, outline.n_classes, **model.options)
        return module

    try:
        with one_thread(), torch.random.fork_rng(devices=[]):
            ways = {model.target != HOST, True}  # HOST computes some layers in two ways: see `Noise.possible`
            reasons = (_trial(construct, outline, train.batch_size, exact, way) for way in sorted(ways))
            return next((reason for reason in reasons if reason is not None), None)
    except Exception as error:  # a user's module may raise anything when its tensors are those of `vmap`
        return _told(error)


def _trial(
    construct: Callable[[], nn.Module], outline: Outline, batch_size: int, exact: bool, possible: bool
) -> str | None:
    many = max(_FEW, min(_MANY, _NUMBERS // max(1, outline.parameters))) if exact else _FEW
    for replicas, size in ((many, _ODD), (_FEW, batch_size)):
        stack = Vmapped(construct, [_SEEDS[k % len(_SEEDS)] for k in range(replicas)])
        alone = [Vmapped(construct, [seed]) for seed in _SEEDS]
        plain = [Plain(construct, seed) for seed in _SEEDS]
        for training in (True, False):
            given = _inputs(outline, size)
            together = _passed(stack, _each(given, replicas), training, possible)
            for k in range(len(_SEEDS)):
                inputs = [g[k : k + 1] for g in given]
                one, reference = (_passed(m[k], inputs, training, possible) for m in (alone, plain))
                alike = {name: t[k :: len(_SEEDS)] for name, t in together.items()}
                if not (_close(one, reference) and _close({n: t[:1] for n, t in alike.items()}, reference)):
                    return "the module gives other results under vmap"
                if exact and (differing := _differing(one, alike)):
                    return f"the last bits of its {differing[0]} would depend on the runs stacked with it"
        if exact and size == _ODD:
            for training in (True, False):
                with _Ends(replicas) as ends:
                    _passed(stack, _each(given, replicas), training, possible)
                if ends.function is not None:
                    return f"the last bits of {ends.function} would depend on the runs stacked with it"
    return None


def _each(given: Given, replicas: int) -> Given:
    """Repeats the tensors of the seeds in turn, one for each replica of a stack."""
    x, slope = (g[torch.arange(replicas) % len(_SEEDS)] for g in given)
    return x, slope


def _inputs(outline: Outline, size: int) -> Given:
    """Returns an input [3, size, *shape] and random numbers for making a gradient, drawn from a separate generator."""
    generator = torch.Generator().manual_seed(size)
    lead = (len(_SEEDS), size)
    if outline.view in ("tokens", "text"):
        words, vocabulary = outline.shape
        x = torch.randint(vocabulary, (*lead, words), generator=generator)
    else:
        x = torch.randn(*lead, *outline.shape, generator=generator)
    return x, torch.randn(*lead, 1, generator=generator)


def _passed(model: Ordinary, given: Sequence[Tensor], training: bool, possible: bool) -> dict[str, Tensor]:
    """Returns output, gradients and buffers [K, ...] of one forward and backward pass, by the user's names."""
    x, slope = given
    model.train(training)
    model.zero_grad()
    if x.is_floating_point():
        x = x.clone().requires_grad_()  # because some probes and regularizers take this gradient
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        output = model(x, _Everywhere(training, possible))
        # Weighted by position as well as by example, because with constant weights a softmax would have a gradient of zero.
        position = torch.linspace(-1, 1, output[0, 0].numel()).view(output[0, 0].shape)
        (output * slope.view(*slope.shape[:2], *(1,) * position.ndim) * position).sum().backward()
    for warning in caught:
        if missing := re.search(r"implemented the batching rule for (\S+?)\.? ", str(warning.message)):
            raise NotImplementedError(f"no batching rule for {missing[1]}")
    tensors = {"output": output.detach()}
    if x.grad is not None:
        tensors["gradient of x"] = x.grad
    inside = getattr(model.lent, "inside", "")
    for name, held_as in ((name.removeprefix(inside), held_as) for name, held_as in model.names.items()):
        tensor = getattr(model, held_as)
        if not isinstance(tensor, nn.Parameter):
            tensors[name] = tensor.clone()
        elif tensor.grad is not None:
            tensors[f"gradient of {name}"] = tensor.grad
    return tensors


def _close(got: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    if got.keys() != expected.keys():
        return False
    pairs = [(got[name].double(), expected[name].double()) for name in got]
    return all(a.shape == b.shape and float((a - b).norm()) <= _CLOSE * (1 + float(b.norm())) for a, b in pairs)


def _differing(one: Mapping[str, Tensor], alike: Mapping[str, Tensor]) -> list[str]:
    """Returns the names of tensors in which replicas are not identical to `one` [1, ...], to the last bit."""
    return [name for name, t in one.items() if not bool((alike[name] == t).all())]


def _told(error: Exception) -> str:
    text = " ".join(str(error).split()).removeprefix("vmap: ")
    if "randomness" in text:
        return own_noise.ALONE
    sentence = re.split(r"(?<=[.;]) ", text)[0].rstrip(".;")
    return f"vmap cannot stack it: {sentence or type(error).__name__}"


class _Everywhere(Noise):
    """A `sites.noise.Noise` that acts at every site in training, alike in all replicas, and does nothing in evaluation."""

    def __init__(self, training: bool, possible: bool) -> None:
        self._training, self._possible = training, possible

    def _halved(self, x: Tensor) -> Tensor:
        return x * 0.5 if self._training else x

    def __call__(self, site: str, x: Tensor) -> Tensor:
        return self._halved(x)

    def affine(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        return then(affine(x, self._halved(weight), bias))

    def acts(self, site: str) -> bool:
        return self._training

    def possible(self, site: str) -> bool:
        return self._possible

    def steps(self, site: str) -> Callable[[Tensor, int], Tensor] | None:
        return (lambda state, step: self._halved(state)) if self._training else None

    def transition(self, site: str) -> Callable[[Tensor, Tensor, int], Tensor] | None:
        return (lambda old, new, step: self._halved(old + new)) if self._training else None

    def branch(self, site: str, branch: nn.Module, x: Tensor, *beside: Tensor) -> Tensor:
        out: Tensor = branch(x, self, *beside)
        return self._halved(out)

    def embed(self, site: str, ids: Tensor, table: Tensor) -> Tensor:
        return self._halved(lookup(ids, table))


# Elementwise functions that round alike in vector and in scalar code: correctly rounded arithmetic, selections and copies; and
# tanh and GELU, as measured in tests/engine/test_vmap_check.py.
# fmt: off
_ALIKE = {
    "abs", "add", "add_", "sub", "sub_", "rsub", "mul", "mul_", "div", "div_", "neg", "reciprocal", "sqrt", "rsqrt", "sign",
    "relu", "relu_", "threshold", "threshold_backward", "leaky_relu", "leaky_relu_backward", "hardtanh", "hardtanh_backward",
    "clamp", "clamp_", "clamp_min", "clamp_max", "maximum", "minimum", "where", "masked_fill", "masked_fill_",
    "fill", "fill_", "zero_", "clone", "copy", "copy_", "_to_copy", "zeros_like", "ones_like",
    "tanh", "tanh_backward", "gelu", "gelu_backward",
}
# fmt: on


class _Ends(TorchDispatchMode):
    """Detects functions that round the last numbers of a tensor differently, if replicas do not fill whole registers."""

    def __init__(self, replicas: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._replicas = replicas
        self.function: str | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        if name == "convolution":
            self._tell("a convolution")
        elif name == "native_batch_norm" and (channels := args[0].shape[1] // self._replicas) % _CHANNELS:
            self._tell(f"batch norm over {channels} channels")
        elif torch.Tag.pointwise in func.tags and isinstance(out, Tensor) and out.is_floating_point():
            product = name == "pow" and args[1] in (2, 3)
            plain = kwargs.get("alpha", 1) == 1 and kwargs.get("approximate", "none") == "none"
            alike = product or (name in _ALIKE and plain)
            numbers = out.numel() // self._replicas
            if not alike and numbers % _VECTOR:
                self._tell(f"{name} over {numbers // _ODD or 1} numbers per example")
        return out

    def _tell(self, function: str) -> None:
        self.function = self.function or function
