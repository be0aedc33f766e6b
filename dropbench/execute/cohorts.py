"""Which runs of a plan train together as one stacked model."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence

from dropbench.planning.outline import Outline
from dropbench.planning.variants import variant
from dropbench.spec import RunSpec, Settings

# What a stack touches in a step should stay in the cache of the core that works on it. ENGINE measurements put the best
# size at half of a 32 MiB last-level cache, and see nothing to gain beyond 64 replicas.
_CPU_BYTES, _CPU_MOST = 16 * 2**20, 64
_GPU_BYTES, _GPU_MOST = 4 * 2**30, 1024
_SHARE = 0.25
"""Of the memory, for all workers: what a step touches is not all that it needs."""

Sizes = Callable[[Sequence[RunSpec], Outline, int, int], int]
"""Of runs that may stack, with what they build, the rule's size and the largest that memory allows: the size to use."""


def cohorts(
    specs: Sequence[RunSpec],
    outlines: Mapping[str, Outline],
    settings: Settings,
    device: str,
    workers: int,
    sizes: Sizes = lambda group, plan, rule, most: rule,
) -> list[list[RunSpec]]:
    """The runs in cohorts, each of about equal size and with the arms of a seed together, so that they share draws.

    `sizes` has the last word where the size of a cohort is ours to choose.
    """
    groups: dict[str, list[RunSpec]] = {}
    for spec in sorted(specs, key=lambda s: not variant(s.dropout).kinds):  # the arms that are no noise come last
        groups.setdefault(_group(spec, groups), []).append(spec)
    made: list[list[RunSpec]] = []
    for group in groups.values():
        ordered = sorted(group, key=lambda s: s.seed)
        plan, wanted = outlines[group[0].run_id], settings.execute.cohort
        if not _stacks(group[0], plan, device):
            count = len(group)
        elif wanted != "auto":
            count = math.ceil(len(group) / wanted)
        else:
            count = math.ceil(len(group) / sizes(ordered, plan, *_rule(group[0], plan, device, workers)))
            count = min(len(group), math.ceil(count / workers) * workers)  # work for everyone
        cuts = [round(i * len(ordered) / count) for i in range(count + 1)]
        made.extend(ordered[a:b] for a, b in itertools.pairwise(cuts))
    return made


def _group(spec: RunSpec, groups: Mapping[str, list[RunSpec]]) -> str:
    """What runs must have in common to stack; an arm without noise joins the first group that is the same otherwise."""
    tree = spec.as_dict()
    dropout = tree.pop("dropout")
    for key in ("seed", "train.lr", "train.weight_decay"):
        group, _, name = key.rpartition(".")
        (tree[group] if group else tree).pop(name)
    rest = json.dumps(tree, sort_keys=True)
    if not variant(spec.dropout).kinds:
        for key in groups:
            if key.startswith(rest):
                return key
    kind = {k: v for k, v in dropout.items() if k not in ("rate", "rates", "placement", "schedule")}
    return rest + json.dumps(kind, sort_keys=True)


def _stacks(spec: RunSpec, plan: Outline, device: str) -> bool:
    if plan.stacked:
        return True
    from dropbench.engine.vmap_check import unstacked

    return unstacked(spec.model, plan, spec.train, device) is None


def _rule(spec: RunSpec, plan: Outline, device: str, workers: int) -> tuple[int, int]:
    """The size that is used without measuring, and the largest that memory allows."""
    budget, most = (_CPU_BYTES, _CPU_MOST) if device == "cpu" else (_GPU_BYTES, _GPU_MOST)
    replica = work_bytes(spec, plan)
    largest = max(1, min(most, int(_memory(device) * _SHARE / workers / replica)))
    return max(1, min(most, budget // replica, largest)), largest


def work_bytes(spec: RunSpec, plan: Outline) -> int:
    """What one replica touches in a step: weights, gradients and moments, activations and their gradients."""
    # Weights and the words of a table are among the parameters. A language model's logits are larger than all else.
    among = ("weight", "recurrent_weight", "token")
    logits = plan.n_classes * (plan.shape[0] if plan.task == "predict_next" else 1)
    activations = logits + sum(math.prod(s.shape) for s in plan.sites if s.kind not in among)
    return 16 * plan.parameters + 8 * plan.noise_batch(spec.train.batch_size) * activations


def _memory(device: str) -> int:
    """Bytes of this machine, or of the accelerator."""
    if device.startswith("cuda"):
        import torch

        if torch.cuda.is_available():
            return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # Windows has no sysconf
        return 8 * 2**30
