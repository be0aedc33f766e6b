"""Seeds all generators that a user's module may draw from, for a time, and then restores them."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

if TYPE_CHECKING:
    from torch import nn


_KNOWN: WeakKeyDictionary[Any, list[Source]] = WeakKeyDictionary()


class Source(NamedTuple):
    """A generator of random numbers: its name in messages, and functions that read, set and seed its state."""

    name: str
    state: Callable[[], Any]
    restore: Callable[[Any], Any]
    seed: Callable[[int], Any]


@contextmanager
def seeded(seed: int, module: nn.Module | None = None, device: str = "cpu") -> Iterator[None]:
    """Context manager in which all draws follow from `seed`; it restores every generator at its end.

    Parameters
    ----------
    seed : int
        In 0..2**63-1. torch's CPU generator is seeded with exactly this number.
    module : nn.Module, optional
        A module whose own generators are seeded too: those in its attributes and submodules, and in the files of their classes.
    device : str
        The device whose torch generator is seeded in addition to that of the CPU.
    """
    sources = shared(device) if module is None else [*shared(device), *_own(module)]
    before = [source.state() for source in sources]
    try:
        for source in sources:
            source.seed(seed)
        yield
    finally:
        for source, state in zip(sources, before, strict=True):
            source.restore(state)


def shared(device: str = "cpu") -> list[Source]:
    """Returns the generators that all code shares."""
    import torch

    sources = [
        # Not `torch.manual_seed`, which would seed accelerators too.
        Source("torch", torch.get_rng_state, torch.set_rng_state, torch.default_generator.manual_seed),
        Source("random", random.getstate, random.setstate, random.seed),
        Source("numpy.random", np.random.get_state, np.random.set_state, lambda seed: np.random.seed(seed % 2**32)),
    ]
    if device.startswith("cuda"):
        index = torch.device(device).index
        sources.append(_of(torch.cuda.default_generators[torch.cuda.current_device() if index is None else index]))
    return sources


def own(module: nn.Module) -> list[Source]:
    """Returns a module's own generators."""
    return [_of(each) for each in _held(module)]


def _own(module: nn.Module) -> list[Source]:
    """Returns the same from a cache, since it is needed at every step."""
    if module not in _KNOWN:
        _KNOWN[module] = own(module)
    return _KNOWN[module]


def _of(generator: Any) -> Source:
    """Returns the `Source` of a generator object."""
    import torch

    name = f"a {type(generator).__module__.partition('.')[0]}.{type(generator).__name__} of its own"
    if isinstance(generator, torch.Generator):
        return Source(name, generator.get_state, generator.set_state, generator.manual_seed)
    if isinstance(generator, random.Random):
        return Source(name, generator.getstate, generator.setstate, generator.seed)
    if isinstance(generator, np.random.RandomState):
        return Source(name, generator.get_state, generator.set_state, lambda seed: generator.seed(seed % 2**32))
    bits: Any = generator.bit_generator
    return Source(
        name,
        lambda: bits.state,
        lambda state: setattr(bits, "state", state),
        lambda seed: setattr(bits, "state", type(bits)(seed).state),
    )


def _held(module: nn.Module) -> list[Any]:
    """Returns the generators in the attributes of a module and its submodules, and in the files of their classes, each once."""
    import torch

    kinds = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
    of_all = {id(np.random.mtrand._rand), id(getattr(random, "_inst", None)), id(torch.default_generator)}
    places: list[Mapping[str, Any]] = []
    for part in module.modules():
        file = sys.modules.get(type(part).__module__)
        # torch's own layers have none; their files hold only the shared one.
        places += (
            [vars(part)] if file is None or file.__name__.partition(".")[0] == "torch" else [vars(part), vars(file)]
        )
    values = (each for place in places for value in place.values() for each in _inside(value))
    return list({id(v): v for v in values if isinstance(v, kinds) and id(v) not in of_all}.values())


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, (list, tuple)) else (value,)
