"""Every variant of conf/dropout, a site of each kind, and what a variant does there, as the engine has it do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from omegaconf import OmegaConf
from torch import Tensor

from dropbench.config import locate, options
from dropbench.dropout.base import Variant
from dropbench.engine.noise import StackNoise
from dropbench.sites import Site
from dropbench.spec import DropoutSpec

SITES = (
    Site("f", "activation", (48,), "F"),
    Site("maps", "activation", (16, 5, 4), "CHW"),
    Site("steps", "activation", (7, 24), "TF"),
    Site("read", "activation", (1, 24), "TF"),
    Site("state", "recurrent", (7, 24), "TF"),
    Site("weight", "weight", (30, 16), "IO"),
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
    "dropblock.even": _made(_FILES["dropblock"], block_size=2),
    "dropblock.shared": _made(_FILES["dropblock"], shared=True),
    "dropblock.clipped": _made(_FILES["dropblock"], block_size=7),
    "recurrent.naive": _made(_FILES["recurrent"], each_step=True),
}
"""Every variant, and options of some that change what is drawn; the part before the dot is the variant's name."""
CASES = [(name, site) for name, variant in SET_UP.items() for site in SITES if variant.supports(site) is None]


def case_id(value: object) -> str:
    return value.name if isinstance(value, Site) else str(value)


def site(name: str) -> Site:
    return next(s for s in SITES if s.name == name)


def stack_noise(
    variant: str, sites: Site | Sequence[Site], rates: Sequence[float], seeds: Sequence[int], batch: int
) -> StackNoise:
    """One replica a rate and seed, noise at all the sites."""
    at = [sites] if isinstance(sites, Site) else list(sites)
    each = [dict.fromkeys((s.name for s in at), r) for r in rates]
    return StackNoise(SET_UP[variant], at, each, list(seeds), batch, torch.device("cpu"))


def through(
    noise: StackNoise, at: Site, tensors: Sequence[Tensor], then: Callable[[Tensor], Tensor] = torch.tanh
) -> Tensor:
    """What comes out of a site: of its tensor, or of x, weight and bias at a weight site."""
    if at.kind == "weight":
        return noise.affine(at.name, *tensors, then)
    (x,) = tensors
    if at.kind == "recurrent":
        act = noise.steps(at.name)
        if act is None:
            return x
        return torch.stack([act(state, t) for t, state in enumerate(x.unbind(2))], 2)
    return noise(at.name, x)


def inputs(at: Site, replicas: int, batch: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    """Random tensors for `through`."""
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    if at.kind == "weight":
        i, o = at.shape
        return normal(replicas, batch, i), normal(replicas, i, o), normal(replicas, 1, o)
    return (normal(replicas, batch, *at.shape),)


def factor(noise: StackNoise, at: Site, replicas: int, batch: int) -> Tensor:
    """What multiplies the site's tensor at the next step, [K, B, *shape]; [K, I + 1, O] for a weight above its bias.

    The slope, that is, of what comes out: alpha dropout adds a constant too.
    """
    if at.kind != "weight":
        with torch.enable_grad():
            x = torch.ones(replicas, batch, *at.shape, requires_grad=True)
            (slope,) = torch.autograd.grad(through(noise, at, [x]).sum(), x)
        return slope
    i, o = at.shape
    # The first rows of the product are a row of the weight plus the bias, the last is the bias alone.
    x = torch.eye(i + 1, i).expand(replicas, -1, -1)
    out = through(noise, at, [x, torch.ones(replicas, i, o), torch.ones(replicas, 1, o)], lambda z: z)
    return torch.cat([out[:, :-1] - out[:, -1:], out[:, -1:]], 1)


def independent(variant: str, at: Site, batch: int, values: Tensor) -> Tensor:
    """`values` [K, ...] of `factor` with those that share a draw taken once; they must be equal.

    Of those that lie under blocks, which share some of their draws, as many as are far enough apart to share none.
    """
    drawn = values
    block = getattr(SET_UP[variant], "block_size", 1)
    for axis, n in enumerate(SET_UP[variant].noise_shape(at, batch), 1):
        if n == 1:
            drawn = drawn.narrow(axis, 0, 1)
    assert torch.equal(drawn.expand_as(values), values), "elements that share a draw differ"
    return drawn if block == 1 else drawn[..., ::block, ::block]


def draws(
    variant: str, at: Site, rates: Sequence[float], seeds: Sequence[int], least: int, batch: int = 64
) -> tuple[Tensor, int]:
    """At least `least` independent factors of each replica, over as many steps as that takes: [K, N], and N."""
    noise = stack_noise(variant, at, rates, seeds, batch)
    found: list[Tensor] = []
    while sum(f.shape[1] for f in found) < least:
        found.append(independent(variant, at, batch, factor(noise, at, len(rates), batch)).flatten(1))
    all_of_them = torch.cat(found, 1).double()
    return all_of_them, all_of_them.shape[1]
