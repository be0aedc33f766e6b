"""Which runs of a plan train together as one stacked model."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence

from dropbench.outline import Outline, variant
from dropbench.spec import RunSpec, Settings

# What a stack touches in a step should stay in the cache of the core that works on it. ENGINE measurements put the best
# size at half of a 32 MiB last-level cache, and see nothing to gain beyond 64 replicas.
_CPU_BYTES, _CPU_MOST = 16 * 2**20, 64
_GPU_BYTES, _GPU_MOST = 4 * 2**30, 1024


def cohorts(
    specs: Sequence[RunSpec], outlines: Mapping[str, Outline], settings: Settings, device: str, workers: int
) -> list[list[RunSpec]]:
    """The runs in cohorts, each of about equal size and with the arms of a seed together, so that they share draws."""
    groups: dict[str, list[RunSpec]] = {}
    for spec in sorted(specs, key=lambda s: not variant(s.dropout).kinds):  # the arms that are no noise come last
        groups.setdefault(_group(spec, groups), []).append(spec)
    made: list[list[RunSpec]] = []
    for group in groups.values():
        most = _most(group[0], outlines[group[0].run_id], settings, device)
        count = math.ceil(len(group) / most)
        if settings.execute.cohort == "auto" and len(group) > 1:
            count = min(len(group), math.ceil(count / workers) * workers)  # work for everyone
        ordered = sorted(group, key=lambda s: s.seed)
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


def _most(spec: RunSpec, plan: Outline, settings: Settings, device: str) -> int:
    if not plan.stacked:
        return 1
    if settings.execute.cohort != "auto":
        return settings.execute.cohort
    budget, most = (_CPU_BYTES, _CPU_MOST) if device == "cpu" else (_GPU_BYTES, _GPU_MOST)
    # Weights and the words of a table are among the parameters. A language model's logits are larger than all else.
    among = ("weight", "recurrent_weight", "token")
    logits = plan.n_classes * (plan.shape[0] if plan.task == "predict_next" else 1)
    activations = logits + sum(math.prod(s.shape) for s in plan.sites if s.kind not in among)
    # Weights, gradients and two moments of the optimizer; activations and their gradients; 4 bytes each.
    replica = 16 * plan.parameters + 8 * plan.noise_batch(spec.train.batch_size) * activations
    return max(1, min(most, budget // replica))
