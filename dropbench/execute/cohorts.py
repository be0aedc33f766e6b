"""Decides which runs of a plan train together as one stacked model."""

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

# The memory that a stack touches in a step should fit in the cache of the core that works on it. Measurements of the engine
# put the best size at half of a 32 MiB last-level cache, and found no gain beyond 64 replicas.
_CPU_BYTES, _CPU_MOST = 16 * 2**20, 64
_GPU_BYTES, _GPU_MOST = 4 * 2**30, 1024
_UNTOLD = 8 * 2**30
"""The bytes of memory that are assumed if the system does not report them."""
_EVEN = 4
"""The number of cohorts per worker at which the workers wait little for the last cohort."""
_SHARE = 0.25
"""The share of memory that the steps of all workers may touch; training needs more memory than a step touches."""


@dataclass(frozen=True)
class Cohort:
    """Runs that train together, and the outline of their model, which is the same for all of them."""

    specs: tuple[RunSpec, ...]
    outline: Outline

    def __len__(self) -> int:
        return len(self.specs)

    def part(self, start: int, stop: int) -> Cohort:
        """Returns the runs from position `start` up to `stop`, excluding it."""
        return Cohort(self.specs[start:stop], self.outline)

    def singly(self) -> list[Cohort]:
        """Returns each run as a cohort of its own."""
        return [self.part(k, k + 1) for k in range(len(self))]

    def without(self, *run_ids: str) -> Cohort:
        """Returns the cohort without these runs."""
        return Cohort(tuple(s for s in self.specs if s.run_id not in run_ids), self.outline)


_MASKS = "masks"
_MASKED = {"activation", "feedforward", "recurrent", "candidate", "attention", "edge", "patch"}
"""The kinds of site at which every variant that multiplies is one product of the site's tensor and a mask."""

ChooseSize = Callable[[Cohort, int, int], int]
"""A function of runs that may stack, the rule's size and the largest size that memory allows; it returns the size to use."""


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
    """Returns the runs in cohorts of about equal size, with the arms of a seed together, so that they share draws.

    Parameters
    ----------
    specs : Sequence[RunSpec]
        The runs to train.
    outlines : Mapping[str, Outline]
        The outline of each run's model, by run id.
    settings : Settings
        The plan's settings, which may fix the size of cohorts.
    device : str
        The device, by torch's name.
    workers : int
        The number of processes that will train, at least 1.
    choose_size : ChooseSize
        Chooses the size of cohorts if the settings do not fix it.
    places : mapping of str to object
        By run id, the point of training at which a run was saved; runs at the same point continue together.
    sharing : int
        How many of the workers share a device and its memory; by default the workers are spread evenly over the devices.
    """
    together = sharing or on_one_device(device, workers)
    by_place: dict[object, list[RunSpec]] = {}
    for spec in specs:
        by_place.setdefault((places or {}).get(spec.run_id), []).append(spec)
    groups = [(place, group) for place, there in by_place.items() for group in stackable(there, outlines)]
    parts: list[Cohort] = []
    saved = sum(place is not None for place, _ in groups)
    for place, group in groups:
        # Interrupted cohorts are work for all workers already. If they were cut again each time, they would end as single runs.
        share = 1 if place is not None and saved >= workers else workers
        if place is None:  # a group that is a small part of the whole need not be cut into work for all workers
            share = min(workers, math.ceil(_EVEN * workers * len(group) / len(specs)))
        count = _count(group, settings.execute.cohort, device, together, share, choose_size)
        cuts = [round(i * len(group) / count) for i in range(count + 1)]
        parts.extend(group.part(start, stop) for start, stop in itertools.pairwise(cuts))
    return parts


def stackable(specs: Sequence[RunSpec], outlines: Mapping[str, Outline]) -> list[Cohort]:
    """Returns the runs in groups that can train as one stacked model, each sorted by seed. Groups follow from the plan alone.

    Parameters
    ----------
    specs : sequence of RunSpec
        The runs in the order of the plan, which the groups keep.
    outlines : mapping of str to Outline
        The outline of each run's model, by run id.
    """
    idle: dict[tuple[int, ...], bool] = {}
    for spec in specs:
        if spec.kin not in idle:
            idle[spec.kin] = _is_no_noise(spec)
    groups: dict[str, list[RunSpec]] = {}
    of_kin: dict[tuple[object, ...], str] = {}
    for spec in sorted(specs, key=lambda s: idle[s.kin]):  # arms without noise come last
        outline = outlines[spec.run_id]
        kin = (*spec.kin, None if outline.even else spec.seed)
        if kin not in of_kin:
            of_kin[kin] = _group(spec, groups, outline)
        groups.setdefault(of_kin[kin], []).append(spec)
    return [Cohort(tuple(sorted(g, key=lambda s: s.seed)), outlines[g[0].run_id]) for g in groups.values()]


def by_seeds(cohorts: Sequence[Cohort], blocks: int, whole: Collection[str] = ()) -> list[Cohort]:
    """Cuts cohorts into blocks of seeds, sorted by seed, so that at any time the finished runs are the first seeds of all arms.

    Parameters
    ----------
    cohorts : sequence of Cohort
        The cohorts, in any order.
    blocks : int
        The number of parts of each cohort, if it has that many seeds.
    whole : collection of str
        The ids of runs whose cohorts are not cut and come first, because they were saved together in the middle of training.
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
    """Returns into how many cohorts a group is cut: a multiple of `share`, unless the settings fix the size."""
    if not _stacks(group, device):
        return len(group)
    if wanted != "auto":
        return math.ceil(len(group) / wanted)
    count = math.ceil(len(group) / choose_size(group, *_rule(group, device, sharing)))
    return min(len(group), math.ceil(count / share) * share)


def kinds(specs: Sequence[RunSpec], known: dict[int, str] | None = None) -> tuple[str, ...]:
    """Returns what variants do and where, apart from their rates: class, options and placement of each variant.

    known: filled with the text of each variant by its `id`, for many calls with runs of one plan, which share variants.
    """
    told, known = {"target", "options", "placement"}, {} if known is None else known
    found = set()
    for one in {id(v): v for s in specs for v in s.variants}.values():
        if id(one) not in known:
            known[id(one)] = json.dumps(one.model_dump(mode="json", include=told), sort_keys=True)
        found.add(known[id(one)])
    return tuple(sorted(found))


def in_common(spec: RunSpec, also: Collection[str] = ()) -> str:
    """Returns a key of what runs that may stack share, apart from dropout: all but what each replica may have for itself.

    also: which of these it keeps all the same, such as `seed`.
    """
    tree = spec.as_dict()
    for key in {"dropout", "seed", "train.lr", "train.weight_decay"}.difference(also):
        group, _, name = key.rpartition(".")
        (tree[group] if group else tree).pop(name)
    for node in (tree.get(BESIDE) or {}).values():
        del node[node["strength"]], node["schedule"]
    return json.dumps(tree, sort_keys=True)


def _is_no_noise(spec: RunSpec) -> bool:
    return not any(variant(v).kinds for v in spec.variants)


def _group(spec: RunSpec, groups: Mapping[str, list[RunSpec]], outline: Outline) -> str:
    """Returns a key of what runs must have in common to stack; an arm without noise joins the first group that fits otherwise.

    If seeds have different numbers of examples, only runs of the same seed stack.
    """
    rest = in_common(spec, () if outline.even else ("seed",))
    if _is_no_noise(spec):
        for key in groups:
            first = groups[key][0]
            if key.startswith(rest) and not _two_ways(first) and not _asked(first, outline):
                return key
    return rest + _noise(spec, outline)


def _noise(spec: RunSpec, outline: Outline) -> str:
    """Returns a key of what the noise of stacked runs must have in common: variants and, if several, where each acts.

    Runs whose variants all only multiply a site's tensor by a mask need nothing in common: see `engine.mixed_noise`.
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
    """Returns the sites with noise that a model skips otherwise and whose presence may make it compute in another way."""
    asked = {s.name for s in outline.sites if s.asked}
    return [p.site for p in of_sites(spec.variants, outline.sites) if p.rate and p.site in asked] if asked else []


def _is_mask(dropout: DropoutSpec, model: Component) -> bool:
    """Returns whether a variant only multiplies, and only at sites where the model computes alike with and without noise."""
    acting = variant(dropout)
    kinds = _MASKED - {"attention"} if model.target == HOST else _MASKED
    own = dropout.target.startswith(OWN)  # nothing is known about the masks of a user's variant
    return own and acting.multiplies and acting.rests and not acting.learned and acting.kinds <= kinds


def _two_ways(spec: RunSpec) -> bool:
    """Returns whether a variant changes how layers of a user's network are computed: see `Noise.possible`."""
    acting = set().union(*(variant(v).kinds for v in spec.variants))
    return spec.model.target == HOST and not acting.isdisjoint(("weight", "attention", "token"))


def _stacks(group: Cohort, device: str) -> bool:
    if group.outline.stacked:
        return not group.outline.own_noise
    from dropbench.engine.vmap_check import unstacked

    return unstacked(group.specs[0].model, group.outline, group.specs[0].train, device) is None


def _rule(group: Cohort, device: str, sharing: int) -> tuple[int, int]:
    """Returns the cohort size that is used without measuring, and the largest that memory allows."""
    budget, most = (_CPU_BYTES, _CPU_MOST) if device == "cpu" else (_GPU_BYTES, _GPU_MOST)
    there = _memory(device) * _SHARE / sharing
    largest = bisect_right(range(1, most + 1), there, key=lambda size: held_bytes(group, size))
    return max(1, min(most, budget // work_bytes(group), largest)), max(1, largest)


def held_bytes(group: Cohort, size: int) -> int:
    """Returns the largest memory in bytes of a cohort of `size` of these runs: its replicas and the inputs of each seed.

    The inputs count twice, because they are copied when a seed leaves. The runs of a seed are neighbours, which bounds the
    number of seeds among `size` consecutive runs.
    """
    runs = Counter(s.seed for s in group.specs)
    held = min(len(runs), 1 + math.ceil((size - 1) / min(runs.values())))
    return size * work_bytes(group) + 2 * held * group.outline.seed_bytes


def work_bytes(cohort: Cohort) -> int:
    """Returns the bytes that one replica touches in a step: weights, gradients and moments, activations and their gradients."""
    outline = cohort.outline
    # Weight, recurrent weight and token sites are parameters. A language model's logits are larger than everything else.
    among = ("weight", "recurrent_weight", "token")
    logits = outline.n_classes * (outline.shape[0] if outline.task == "predict_next" else 1)
    activations = logits + outline.held + sum(math.prod(s.shape) for s in outline.usual if s.kind not in among)
    return 16 * outline.parameters + 8 * outline.noise_batch(cohort.specs[0].train.batch_size) * activations


def _memory(device: str) -> int:
    """Returns the memory in bytes of this machine, or of the smallest of its cards."""
    if device.startswith("cuda"):
        import torch

        if torch.cuda.is_available():
            return min(int(torch.cuda.get_device_properties(card).total_memory) for card in each(device))
    return ram() or _UNTOLD
