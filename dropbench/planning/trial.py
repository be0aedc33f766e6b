"""Tries a user's module on a few examples before a plan relies on it: which sites it reaches, and whether it draws itself.

Noise acts at all sites in the trial, because a model may skip a site's code if no noise acts there. Built-in models are not
tried each time; their tests check the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from dropbench.data.views import Shape
from dropbench.errors import UsageError, nearest
from dropbench.planning.listening import Giving, Listening
from dropbench.sites import Site
from dropbench.sites.noise import Noise
from dropbench.sites.own_draws import seeded

if TYPE_CHECKING:
    from torch import nn

    from dropbench.data.base import Graph, Table

_EXAMPLES = 4
LATE = ", in evaluation too"
"""Added to the name of a part that draws in evaluation, where a module should not draw."""
_CLOSE: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-5, "equal_nan": True}
"""Tolerance for two passes that should agree: sums may be added up in another order."""


class Tried(NamedTuple):
    """The results of a trial. draws: descriptions of the parts of a module that draw random numbers.

    probabilities: whether what it outputs for each example are numbers from 0 on that sum to 1.
    """

    draws: tuple[str, ...] = ()
    probabilities: bool = False


def tried(name: str, construct: Callable[[], nn.Module], shape: Shape, table: Table, stacked: bool) -> Tried:
    """Tries a module. For one that raises it returns nothing found: its training will report the error.

    Parameters
    ----------
    name : str
        The model's name, for messages.
    construct : Callable
        Builds the module, with one replica if it has a replica axis.
    shape : Shape
        One example, in the module's view.
    table : Table
        Its data.
    stacked : bool
        Whether it has a replica axis.

    Raises
    ------
    UsageError
        If a site is declared and never reached, or reached and not declared; if it draws numbers that cannot be seeded.
    """
    try:
        trial = _Trial(construct, shape, table, stacked)
        trial.run()
    except Exception:  # whatever a user's module raises
        return Tried()
    _check_sites(name, trial.sites, trial.noise)
    if not trial.repeats:
        raise UsageError(
            f"model={name} draws random numbers that dropbench cannot seed: two passes from the same seed differ; draw them "
            "with torch, or use noise(site, x)"
        )
    return Tried(trial.draws(), trial.probabilities)


def needs_two(construct: Callable[[], nn.Module], shape: Shape, table: Table, stacked: bool) -> bool:
    """Returns whether a model, ours or a user's, has batch norm that fails on a single example, for lack of variance."""
    try:
        with seeded(0):
            module = construct()
            _attach(module, table.graph)
            x = _examples(shape, table)[:1]
            module(x[None] if stacked else x, _Everywhere(stacked))
    except ValueError as error:  # torch's message
        return "more than 1 value per channel" in str(error)
    except Exception:  # whatever a user's module raises; its training reports it
        return False
    return False


def _attach(module: nn.Module, graph: Graph | None) -> None:
    if graph is not None:
        module.attach(graph, torch.device("cpu"))  # type: ignore[operator]


class _Trial:
    """Builds a module twice with the same seed, and passes examples through each in training and in evaluation."""

    def __init__(self, construct: Callable[[], nn.Module], shape: Shape, table: Table, stacked: bool) -> None:
        self._construct, self._graph = construct, table.graph
        x = _examples(shape, table)
        self._x = x[None] if stacked else x
        self.noise = _Everywhere(stacked)
        self.sites: Sequence[Site] = ()
        self.repeats, self.probabilities = True, False
        self._training: Counter[str] = Counter()
        self._evaluation: Counter[str] = Counter()
        self._unsteady: str | None = None

    def run(self) -> None:
        first, second = self._passes(), self._passes()
        self.probabilities = _sum_to_one(first[-1])
        self.repeats = all(torch.allclose(a, b, **_CLOSE) for a, b in zip(first, second, strict=True))

    def draws(self) -> tuple[str, ...]:
        """Returns each part that draws, once."""
        late = list(self._evaluation)
        if not late and self._unsteady is not None:  # without a generator, for example by a state that it keeps
            late.append(self._unsteady)
        return (*(f"{what}{LATE}" for what in late), *(what for what in self._training if what not in late))

    def _passes(self) -> list[Tensor]:
        with seeded(0):
            module = self._construct()
            _attach(module, self._graph)
            self.sites = tuple(getattr(module, "sites", ()))
            outputs = []
            for training, told in ((True, self._training), (False, self._evaluation)):
                module.train(training)
                self.noise.training = training
                if callable(start := getattr(module, "begin", None)):
                    start()
                with seeded(1, module), Listening(module, told):
                    outputs.append(module(self._x, self.noise).detach().double())
            self._unsteady = self._unsteady or self._differing(module)
        return outputs

    def _differing(self, module: nn.Module) -> str | None:
        """Returns the first part whose output differs when the module, in evaluation, sees the same examples again."""
        passes: list[list[tuple[str, Tensor]]] = []
        for seed in (1, 2):
            if callable(start := getattr(module, "begin", None)):
                start()
            with seeded(seed, module), Giving(module) as gave, torch.no_grad():
                module(self._x, self.noise)
            passes.append(gave.outputs)
        part: str
        for (part, first), (other, second) in zip(*passes, strict=False):
            if part == other and (first.shape != second.shape or not torch.allclose(first, second, **_CLOSE)):
                return part
        return None


def _sum_to_one(out: Tensor) -> bool:
    """Returns whether the rows of an output [..., C] are probabilities of C > 1 classes."""
    if out.ndim < 2 or out.shape[-1] < 2:
        return False
    total = out.sum(-1)
    return bool((out >= 0).all()) and torch.allclose(total, torch.ones_like(total), atol=1e-4)


def _examples(shape: Shape, table: Table) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if shape.view in ("tokens", "text"):
        words, vocabulary = shape
        return torch.randint(vocabulary, (_EXAMPLES, words), generator=generator)
    if shape.view == "graph":
        return torch.arange(min(_EXAMPLES, len(table.x)))
    return torch.randn(_EXAMPLES, *shape, generator=generator)


def _check_sites(name: str, sites: Sequence[Site], noise: _Everywhere) -> None:
    declared = Counter(s.name for s in sites)
    wrong = [f"names its site '{site}' {n} times" for site, n in declared.items() if n > 1]
    for site in sorted(noise.asked - set(declared)):
        known = nearest(site, declared) if declared else "it declares none"
        wrong.append(f"asks for noise at the site '{site}', which is not among its sites; {known}")
    for site in (s for s in declared if s not in noise.reached):
        wrong.append(
            f"declares the site '{site}' but never uses it, so noise there would have no effect; call "
            f"noise('{site}', x) in its forward, or remove it from its sites"
        )
    if wrong:
        raise UsageError(f"model={name} {'; and it '.join(wrong)}")


class _Everywhere(Noise):
    """Noise that acts at every site in training and records the sites; for one replica or a stack."""

    def __init__(self, stacked: bool) -> None:
        self.training = True
        self.asked: set[str] = set()
        """Sites that the module asked about."""
        self.reached: set[str] = set()
        """Sites at which a tensor was passed."""
        self._stacked = stacked

    def _met(self, site: str, x: Tensor) -> Tensor:
        self.asked.add(site)
        self.reached.add(site)
        return x * 0.5 if self.training else x

    def __call__(self, site: str, x: Tensor) -> Tensor:
        return self._met(site, x)

    def affine(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        return then(x @ self._met(site, weight) + bias)

    def dense(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        # A layer that is both kinds of site may be declared as one of them.
        self.reached.add(f"{site}.weight")
        return self._met(site, then(x @ weight + bias))

    def acts(self, site: str) -> bool:
        self.asked.add(site)
        return self.training

    def steps(self, site: str) -> Callable[[Tensor, int], Tensor] | None:
        self.asked.add(site)
        return (lambda state, step: self._met(site, state)) if self.training else None

    def transition(self, site: str) -> Callable[[Tensor, Tensor, int], Tensor] | None:
        self.asked.add(site)
        return (lambda old, new, step: self._met(site, old + new)) if self.training else None

    def branch(self, site: str, branch: nn.Module, x: Tensor, *beside: Tensor) -> Tensor:
        out: Tensor = branch(x, self, *beside)
        return self._met(site, out)

    def embed(self, site: str, ids: Tensor, table: Tensor) -> Tensor:
        if not self._stacked:
            return self._met(site, table[ids])
        return self._met(site, torch.stack([rows[one] for rows, one in zip(table, ids, strict=True)]))
