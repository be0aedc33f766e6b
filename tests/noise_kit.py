"""Every variant of conf/dropout, a site of each kind, and helpers that apply a variant there as the engine does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from dropbench.config.options import options
from dropbench.config.parts import locate
from dropbench.dropout.base import Variant
from dropbench.dropout.shake_drop import ShakeDrop
from dropbench.dropout.shake_shake import ShakeShake
from dropbench.engine.noise import StackNoise
from dropbench.engine.streams import StackedDraws
from dropbench.sites import Site
from dropbench.spec import DropoutSpec

Module = TypeVar("Module", bound=nn.Module)

SITES = (
    Site("f", "activation", (48,), "F", reader="next.weight"),
    Site("maps", "activation", (16, 5, 4), "CHW", reader="next.weight"),
    Site("steps", "activation", (7, 24), "TF", reader="next.weight"),
    Site("read", "activation", (1, 24), "TF", reader="next.weight"),
    Site("state", "recurrent", (7, 24), "TF"),
    Site("weight", "weight", (30, 16), "IO"),
    Site("nodes", "activation", (19, 6), "NF", reader="next.weight"),
    Site("edges", "edge", (53,), "E"),
    Site("update", "candidate", (7, 24), "TF"),
    Site("next_state", "transition", (7, 24), "TF"),
    Site("hidden_weight", "recurrent_weight", (24, 48), "IO"),
    Site("words", "token", (64, 3), "VF"),
    Site("residual", "branch", (6, 4, 3), "CHW", depth=1.0),
    Site("two", "pair", (2, 6, 4, 3), "PCHW"),
    Site("attended", "attention", (2, 5, 5), "ATS"),
    Site("patches", "patch", (20,), "T"),
    Site("hidden", "feedforward", (5, 24), "TF", reader="next.weight"),
)


def _made(file: object, **options: object) -> Variant:
    node = OmegaConf.to_container(OmegaConf.load(str(file)))
    assert isinstance(node, dict)
    fixed = {*DropoutSpec.model_fields, "_target_", "defaults"}
    variant: Variant = locate(node["_target_"])(**{str(k): v for k, v in node.items() if k not in fixed} | options)
    return variant


_FILES = options("dropout")
VARIANTS = {name: _made(file) for name, file in _FILES.items()}
SET_UP = VARIANTS | {
    "dropconnect.example": _made(_FILES["dropconnect"], per="example"),
    "dropconnect.mean": _made(_FILES["dropconnect"], inference="mean"),
    "kingma.weight": _made(_FILES["kingma"], per="weight"),
    "dropblock.even": _made(_FILES["dropblock"], block_size=2),
    "dropblock.shared": _made(_FILES["dropblock"], shared=True),
    "dropblock.clipped": _made(_FILES["dropblock"], block_size=7),
    "recurrent.naive": _made(_FILES["recurrent"], each_step=True),
    "recurrent.candidate": _made(_FILES["recurrent"], where="candidate"),
    "recurrent.candidate_naive": _made(_FILES["recurrent"], where="candidate", each_step=True),
    "standard.batch": _made(_FILES["standard"], per="batch"),
    "stochastic_depth.batch": _made(_FILES["stochastic_depth"], per="batch"),
    "shake_shake.batch": _made(_FILES["shake_shake"], per="batch"),
    "embedding.batch": _made(_FILES["embedding"], per="batch"),
}
"""Every variant, and some with options that change the random draws; the part before the dot is the variant's name."""
CASES = [(name, site) for name, variant in SET_UP.items() for site in SITES if variant.supports(site) is None]


def case_id(value: object) -> str:
    return value.name if isinstance(value, Site) else str(value)


def site(name: str) -> Site:
    return next(s for s in SITES if s.name == name)


def stack_noise(
    variant: str, sites: Site | Sequence[Site], rates: Sequence[float], seeds: Sequence[int], batch: int
) -> StackNoise:
    """Return noise at all the sites, with one replica per rate and seed."""
    at = [sites] if isinstance(sites, Site) else list(sites)
    each = [dict.fromkeys((s.name for s in at), r) for r in rates]
    return StackNoise(SET_UP[variant], at, each, list(seeds), batch, torch.device("cpu"))


def noisy(variant: str, at: Site, x: Tensor, rate: float, seed: int = 0) -> Tensor:
    """Apply a variant in training to x [batch, *shape] at this site."""
    return stack_noise(variant, at, [rate], [seed], len(x))(at.name, x[None])[0]


def theirs(layer: nn.Module | Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a layer of another library to x in training, under a fixed seed that does not change the global one."""
    if isinstance(layer, nn.Module):
        layer.train()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        return layer(x)


def started(model: Module, seeds: Sequence[int]) -> Module:
    """Give a stacked model or layer the initial weights that the engine would give it, and return it."""
    draw = StackedDraws(seeds, "init", torch.device("cpu"))
    for layer in model.modules():
        if callable(reset := getattr(layer, "reset", None)):
            reset(draw)
    return model


def randomised(module: nn.Module, scale: float) -> torch.Generator:
    """Fill every parameter with normal numbers of this sd; return the generator for further draws."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return generator


def through(
    noise: StackNoise, at: Site, tensors: Sequence[Tensor], then: Callable[[Tensor], Tensor] = torch.tanh
) -> Tensor:
    """Apply noise at a site to its tensor; at a weight site to x, weight and bias; at a transition to new and old state.

    At a token site the tensor is the embeddings that are looked up, [K, B, V, F], each word once and equal for all examples.
    """
    if at.kind == "weight":
        return noise.affine(at.name, *tensors, then)
    if at.kind == "transition":
        mix = noise.transition(at.name)
        if mix is None:
            return tensors[0]
        pairs = zip(*(t.unbind(2) for t in tensors), strict=True)
        return torch.stack([mix(old, new, t) for t, (new, old) in enumerate(pairs)], 2)
    (x,) = tensors
    if at.kind == "token":
        return noise.embed(at.name, torch.arange(x.shape[2]).expand(x.shape[:3]), x[:, 0])
    if at.kind in ("recurrent", "candidate"):
        act = noise.steps(at.name)
        if act is None:
            return x
        return torch.stack([act(state, t) for t, state in enumerate(x.unbind(2))], 2)
    if at.kind == "branch":
        return noise.branch(at.name, Identity(), x)
    return noise(at.name, x)


class Identity(torch.nn.Module):
    """A residual branch that is the identity."""

    def forward(self, x: Tensor, noise: object) -> Tensor:
        return x


def inputs(at: Site, replicas: int, batch: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    """Return random tensors for `through`."""
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    if at.kind == "weight":
        i, o = at.shape
        return normal(replicas, batch, i), normal(replicas, i, o), normal(replicas, 1, o)
    if at.kind == "transition":
        return normal(replicas, batch, *at.shape), normal(replicas, batch, *at.shape)
    if at.kind == "recurrent_weight":
        return (normal(replicas, *at.shape),)
    if at.kind == "token":
        return (normal(replicas, 1, *at.shape).expand(-1, batch, -1, -1).clone(),)
    return (normal(replicas, batch, *at.shape),)


def factor(noise: StackNoise, at: Site, replicas: int, batch: int) -> Tensor:
    """Return the factor that multiplies the site's tensor at the next step, [K, B, *shape].

    At a transition site, it multiplies the new state; a recurrent weight has no batch axis. At a weight site, weight and bias
    are stacked, [K, I + 1, O]; a variant that draws for each example has [K, B, I + 1, O], and one that draws for each unit [K,
    B, O].

    The factor is the derivative of the output, because alpha dropout also adds a constant. For ShakeDrop and Shake-Shake, whose
    gradients have other factors, it is the output itself; for a pair of branches only that of the first, [K, B, 1, ...],
    because the second has the rest.
    """
    own = noise.at(at.name)
    if own is not None and isinstance(own.variant, (ShakeDrop, ShakeShake)):
        out = through(noise, at, [torch.ones(replicas, batch, *at.shape)])
        return out[:, :, :1] if at.kind == "pair" else out
    if at.kind == "token":
        return through(noise, at, [torch.ones(replicas, batch, *at.shape)])
    if at.kind != "weight":
        with torch.enable_grad():
            x = torch.ones_like(inputs(at, replicas, batch)[0], requires_grad=True)
            old = [torch.zeros_like(x)] if at.kind == "transition" else []
            (slope,) = torch.autograd.grad(through(noise, at, [x, *old]).sum(), x)
        return slope
    i, o = at.shape
    at_site = noise.at(at.name)
    drawn = () if at_site is None else at_site.variant.noise_shape(at, batch)
    ones = torch.ones(replicas, i, o), torch.ones(replicas, 1, o)
    if len(drawn) == 3:
        x = torch.zeros(replicas, batch, i, requires_grad=True)
        out = through(noise, at, [x, *ones], lambda z: z)
        slopes = [torch.autograd.grad(unit.sum(), x, retain_graph=True)[0] for unit in out.unbind(-1)]
        return torch.cat([torch.stack(slopes, -1), out.detach()[:, :, None]], 2)
    if drawn == (batch, o):
        # Only one input is not 0, and it is so small that noise that depends on it is the same as at 0.
        x = torch.zeros(replicas, batch, i)
        x[..., 0] = 2**-14
        return through(noise, at, [x, ones[0], 0 * ones[1]], lambda z: z) * 2**14
    # Each of the first rows of the product is a row of the weight plus the bias; the last row is the bias alone.
    x = torch.eye(i + 1, i).expand(replicas, -1, -1)
    out = through(noise, at, [x, *ones], lambda z: z)
    return torch.cat([out[:, :-1] - out[:, -1:], out[:, -1:]], 1)


def independent(variant: str, at: Site, batch: int, values: Tensor) -> Tensor:
    """Return `values` [K, ...] of `factor` with each group that shares a draw taken once; a group's values must be equal.

    For dropped blocks, whose elements share some of their draws, only elements that are a block apart are taken.
    """
    drawn = values
    block = getattr(SET_UP[variant], "block_size", 1)
    shape = SET_UP[variant].noise_shape(at, batch)
    if isinstance(SET_UP[variant], ShakeDrop):  # three numbers for each example
        shape = (batch, *(1 for _ in at.shape))
    if isinstance(SET_UP[variant], ShakeShake):  # a number forward and one back
        shape = (shape[0], *(1 for _ in at.shape))
    for axis, n in enumerate(shape, 1):
        if n == 1:
            drawn = drawn.narrow(axis, 0, 1)
    assert torch.equal(drawn.expand_as(values), values), "elements that share a draw differ"
    return drawn if block == 1 else drawn[..., ::block, ::block]


_MOST_STEPS = 4_000


def draws(
    variant: str, at: Site, rates: Sequence[float], seeds: Sequence[int], least: int, batch: int = 64
) -> tuple[Tensor, int]:
    """Return at least `least` independent factors of each replica, [K, N], over as many steps as needed, and N.

    There are fewer if a step has too few and the limit on steps is reached; the tests' bounds are standard errors for N.
    """
    noise = stack_noise(variant, at, rates, seeds, batch)
    found: list[Tensor] = []
    while len(found) < _MOST_STEPS and len(found) * (found[0].shape[1] if found else 0) < least:
        found.append(independent(variant, at, batch, factor(noise, at, len(rates), batch)).flatten(1))
    all_of_them = torch.cat(found, 1).double()
    return all_of_them, all_of_them.shape[1]
