"""Which runs of a plan train together as one stacked model."""

from __future__ import annotations

import itertools
import json
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dropbench.hardware.device import each
from dropbench.hardware.device import sharing as on_one_device
from dropbench.hardware.ram import ram
from dropbench.identity import BESIDE, HOST, OWN
from dropbench.planning.outline import Outline
from dropbench.planning.variants import places as of_sites
from dropbench.planning.variants import variant
from dropbench.settings import Settings
from dropbench.spec import Component, DropoutSpec, RunSpec

# What a stack touches in a step should stay in the cache of the core that works on it. ENGINE measurements put the best
# size at half of a 32 MiB last-level cache, and see nothing to gain beyond 64 replicas.
_CPU_BYTES, _CPU_MOST = 16 * 2**20, 64
_GPU_BYTES, _GPU_MOST = 4 * 2**30, 1024
_UNTOLD = 8 * 2**30
"""Bytes, where the system does not tell how many it has."""
_EVEN = 4
"""Cohorts a worker, of which the last costs little time for those that wait for it."""
_SHARE = 0.25
"""Of the memory, for all workers: what a step touches is not all that it needs."""


@dataclass(frozen=True)
class Cohort:
    """Runs that train together, and what each of them builds: they differ in nothing that the outline tells of."""

    specs: tuple[RunSpec, ...]
    outline: Outline

    def __len__(self) -> int:
        return len(self.specs)

    def part(self, start: int, stop: int) -> Cohort:
        """The runs from place `start` up to but without `stop`."""
        return Cohort(self.specs[start:stop], self.outline)

    def singly(self) -> list[Cohort]:
        """Each run as a cohort of its own."""
        return [self.part(k, k + 1) for k in range(len(self))]

    def without(self, *run_ids: str) -> Cohort:
        """The cohort but for these runs."""
        return Cohort(tuple(s for s in self.specs if s.run_id not in run_ids), self.outline)


_MASKS = "masks"
_MASKED = {"activation", "feedforward", "recurrent", "candidate", "attention", "edge", "patch"}
"""Kinds of site at which noise is one product with what is there, whatever the variant."""

ChooseSize = Callable[[Cohort, int, int], int]
"""Of runs that may stack, the rule's size and the largest that memory allows: the size to use."""


def cohorts(
    specs: Sequence[RunSpec],
    outlines: Mapping[str, Outline],
    settings: Settings,
    device: str,
    workers: int,
    choose_size: ChooseSize = lambda group, rule, most: rule,
    places: Mapping[str, object] | None = None,
    sharing: int | None = None,
) -> list[Cohort]:
    """The runs in cohorts, each of about equal size and with the arms of a seed together, so that they share draws.

    Parameters
    ----------
    specs : Sequence[RunSpec]
        What is to be trained.
    outlines : Mapping[str, Outline]
        What each run builds, by run id.
    settings : Settings
        Those of the plan, which may fix the size of a cohort.
    device : str
        As torch names it.
    workers : int
        Processes that will train, 1 or more.
    choose_size : ChooseSize
        Has the last word where the size of a cohort is ours to choose.
    places : mapping of str to object
        How far runs have come that were saved in the middle of training, by run id: those at one place go on together.
    sharing : int
        How many of the workers have one device, and its memory, together: as many as come on each, unless it is given.
    """
    together = sharing or on_one_device(device, workers)
    by_place: dict[object, list[RunSpec]] = {}
    for spec in specs:
        by_place.setdefault((places or {}).get(spec.run_id), []).append(spec)
    groups = [(place, group) for place, there in by_place.items() for group in stackable(there, outlines)]
    parts: list[Cohort] = []
    saved = sum(place is not None for place, _ in groups)
    for place, group in groups:
        # Cohorts that were broken off are work for everyone already. Cut again each time, they would end as single runs.
        share = 1 if place is not None and saved >= workers else workers
        if place is None:  # nor need a group be cut for everyone to have work, where it is a small part of the whole
            share = min(workers, math.ceil(_EVEN * workers * len(group) / len(specs)))
        count = _count(group, settings.execute.cohort, device, together, share, choose_size)
        cuts = [round(i * len(group) / count) for i in range(count + 1)]
        parts.extend(group.part(start, stop) for start, stop in itertools.pairwise(cuts))
    return parts


def stackable(specs: Sequence[RunSpec], outlines: Mapping[str, Outline]) -> list[Cohort]:
    """The runs in groups that can train as one stacked model, each by seed; what they are follows from the plan alone.

    Parameters
    ----------
    specs : sequence of RunSpec
        In the order of the plan, in which groups are too.
    outlines : mapping of str to Outline
        What each run builds, by run id.
    """
    idle: dict[tuple[int, ...], bool] = {}
    for spec in specs:
        if spec.kin not in idle:
            idle[spec.kin] = _is_no_noise(spec)
    groups: dict[str, list[RunSpec]] = {}
    of_kin: dict[tuple[object, ...], str] = {}
    for spec in sorted(specs, key=lambda s: idle[s.kin]):  # the arms that are no noise come last
        outline = outlines[spec.run_id]
        kin = (*spec.kin, None if outline.even else spec.seed)
        if kin not in of_kin:
            of_kin[kin] = _group(spec, groups, outline)
        groups.setdefault(of_kin[kin], []).append(spec)
    return [Cohort(tuple(sorted(g, key=lambda s: s.seed)), outlines[g[0].run_id]) for g in groups.values()]


def by_seeds(cohorts: Sequence[Cohort], blocks: int, whole: Collection[str] = ()) -> list[Cohort]:
    """Cohorts cut into blocks of seeds and in the order of those: what has ended at any time are the first seeds of all arms.

    Parameters
    ----------
    cohorts : sequence of Cohort
        In any order.
    blocks : int
        How many parts are made of each, where it has as many seeds.
    whole : collection of str
        Ids of runs whose cohorts stay as they are and come first, since they were saved together in the middle of training.
    """
    begun = [c for c in cohorts if any(s.run_id in whole for s in c.specs)]
    parts = [part for c in cohorts if c not in begun for part in _blocks(c, blocks)]
    return begun + sorted(parts, key=lambda part: part.specs[0].seed)


def _blocks(cohort: Cohort, blocks: int) -> list[Cohort]:
    ordered = Cohort(tuple(sorted(cohort.specs, key=lambda s: s.seed)), cohort.outline)
    starts = [i for i, s in enumerate(ordered.specs) if i == 0 or s.seed != ordered.specs[i - 1].seed]
    count = min(blocks, len(starts))
    cuts = [*(starts[round(i * len(starts) / count)] for i in range(count)), len(ordered)]
    return [ordered.part(start, stop) for start, stop in itertools.pairwise(cuts)]


def _count(
    group: Cohort, wanted: int | Literal["auto"], device: str, sharing: int, share: int, choose_size: ChooseSize
) -> int:
    """Into how many cohorts a group is cut: a multiple of `share`, where it is not said."""
    if not _stacks(group, device):
        return len(group)
    if wanted != "auto":
        return math.ceil(len(group) / wanted)
    count = math.ceil(len(group) / choose_size(group, *_rule(group, device, sharing)))
    return min(len(group), math.ceil(count / share) * share)


def kinds(specs: Sequence[RunSpec]) -> tuple[str, ...]:
    """What is done to runs and where, whatever the rates: class, options and placement of each of their variants."""
    told = {"target", "options", "placement"}
    return tuple(
        sorted({json.dumps(v.model_dump(mode="json", include=told), sort_keys=True) for s in specs for v in s.variants})
    )


def _is_no_noise(spec: RunSpec) -> bool:
    return not any(variant(v).kinds for v in spec.variants)


def _group(spec: RunSpec, groups: Mapping[str, list[RunSpec]], outline: Outline) -> str:
    """What runs must have in common to stack; an arm without noise joins the first group that is the same otherwise.

    Where seeds have different numbers of examples, those of one seed alone stack.
    """
    tree = spec.as_dict()
    del tree["dropout"]
    for key in (*(["seed"] if outline.even else []), "train.lr", "train.weight_decay"):
        group, _, name = key.rpartition(".")
        (tree[group] if group else tree).pop(name)
    for node in (tree.get(BESIDE) or {}).values():
        del node[node["strength"]], node["schedule"]
    rest = json.dumps(tree, sort_keys=True)
    if _is_no_noise(spec):
        for key in groups:
            first = groups[key][0]
            if key.startswith(rest) and not _two_ways(first) and not _asked(first, outline):
                return key
    return rest + _noise(spec, outline)


def _noise(spec: RunSpec, outline: Outline) -> str:
    """What the noise of runs must have in common: the variants, and where they act if they are several.

    Nothing, where it is all masks that a site's tensor is multiplied by: see `engine.mixed_noise`.
    """
    if all(_is_mask(v, spec.model) for v in spec.variants):
        return " ".join([_MASKS, *_asked(spec, outline)])
    told: list[Any] = [
        v.model_dump(mode="json", include={"target", "options", "version", "source"}) for v in spec.variants
    ]
    told += _asked(spec, outline)
    if len(spec.variants) > 1:
        told.append([(p.site, p.slot) for p in of_sites(spec.variants, outline.sites)])
    return json.dumps(told, sort_keys=True)


def _asked(spec: RunSpec, outline: Outline) -> list[str]:
    """The sites with noise that models pass by otherwise, and beside which they may compute what is there in another way."""
    asked = {s.name for s in outline.sites if s.asked}
    return [p.site for p in of_sites(spec.variants, outline.sites) if p.rate and p.site in asked] if asked else []


def _is_mask(dropout: DropoutSpec, model: Component) -> bool:
    """Whether a variant only multiplies, at sites at which a model goes the same way with and without noise."""
    acting = variant(dropout)
    kinds = _MASKED - {"attention"} if model.target == HOST else _MASKED
    own = dropout.target.startswith(OWN)  # what a user's mask is like is not known
    return own and acting.multiplies and acting.rests and not acting.learned and acting.kinds <= kinds


def _two_ways(spec: RunSpec) -> bool:
    """Whether a variant has layers of a user's network computed in another way than without it: see `Noise.possible`."""
    acting = set().union(*(variant(v).kinds for v in spec.variants))
    return spec.model.target == HOST and not acting.isdisjoint(("weight", "attention", "token"))


def _stacks(group: Cohort, device: str) -> bool:
    if group.outline.stacked:
        return not group.outline.own_noise
    from dropbench.engine.vmap_check import unstacked

    return unstacked(group.specs[0].model, group.outline, group.specs[0].train, device) is None


def _rule(group: Cohort, device: str, sharing: int) -> tuple[int, int]:
    """The size that is used without measuring, and the largest that memory allows."""
    budget, most = (_CPU_BYTES, _CPU_MOST) if device == "cpu" else (_GPU_BYTES, _GPU_MOST)
    there = _memory(device) * _SHARE / sharing
    largest = bisect_right(range(1, most + 1), there, key=lambda size: held_bytes(group, size))
    return max(1, min(most, budget // work_bytes(group), largest)), max(1, largest)


def held_bytes(group: Cohort, size: int) -> int:
    """What a cohort of so many of these runs holds at most: what its replicas touch, and inputs that seeds have for themselves.

    Those twice, since they are copied when a seed leaves. The runs of a seed stand together, so `size` of them in a row are of
    so many seeds at most.
    """
    runs = Counter(s.seed for s in group.specs)
    held = min(len(runs), 1 + math.ceil((size - 1) / min(runs.values())))
    return size * work_bytes(group) + 2 * held * group.outline.seed_bytes


def work_bytes(cohort: Cohort) -> int:
    """What one replica touches in a step: weights, gradients and moments, activations and their gradients."""
    outline = cohort.outline
    # Weights and the words of a table are among the parameters. A language model's logits are larger than all else.
    among = ("weight", "recurrent_weight", "token")
    logits = outline.n_classes * (outline.shape[0] if outline.task == "predict_next" else 1)
    activations = logits + outline.held + sum(math.prod(s.shape) for s in outline.usual if s.kind not in among)
    return 16 * outline.parameters + 8 * outline.noise_batch(cohort.specs[0].train.batch_size) * activations


def _memory(device: str) -> int:
    """Bytes of this machine, or of the smallest of the cards."""
    if device.startswith("cuda"):
        import torch

        if torch.cuda.is_available():
            return min(int(torch.cuda.get_device_properties(card).total_memory) for card in each(device))
    return ram() or _UNTOLD
