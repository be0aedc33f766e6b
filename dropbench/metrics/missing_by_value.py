"""Accuracy with features missing because of their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import MinLen
from torch import Tensor

from dropbench.metrics.fgsm import share
from dropbench.metrics.missing import Percent
from dropbench.metrics.probe import Network


@torch.no_grad()
def missing_by_value(
    network: Network, part: str, *, percent: Annotated[Sequence[Percent], MinLen(1)] = (10, 25, 50)
) -> dict[str, Tensor]:
    """`missing_by_value_<percent>_accuracy`: accuracy, 0..1, without the largest so many percent of features, [K] each.

    In each example, measured in standard deviations from the training mean, which is put in their place, as by a sensor that
    fails where it should read high. That a feature is missing then tells what it was: "missing not at random" (Rubin 1976;
    Little & Rubin), where `missing` at the same percentage takes as many by lot. Among equal values, such as an image's
    background, the lot decides. What is missing at a lower percentage is at a higher one too. {} where examples are no numbers.
    """
    draw = network.uniforms(f"missing_by_value/{part}")
    right: dict[int, list[Tensor]] = {p: [] for p in percent}
    for x, y in network.examples(part):
        if not x.is_floating_point():
            return {}
        rank = ranks(x.flatten(2), draw(tuple(x.flatten(2).shape[1:]))).view_as(x)
        features = x[0, 0].numel()
        for p, found in right.items():
            kept = rank >= round(p * features / 100)
            found.append(network.logits(x * kept).argmax(-1) == y)
    return {f"missing_by_value_{p:02}_accuracy": share(found) for p, found in right.items()}


def ranks(x: Tensor, lot: Tensor) -> Tensor:
    """The place of each number in its row, from 0 for the largest; equal ones in the order of `lot`. All [..., n]."""
    order = lot.argsort(-1)
    by_value = x.gather(-1, order).sort(dim=-1, descending=True, stable=True).indices
    return order.gather(-1, by_value).argsort(-1)
