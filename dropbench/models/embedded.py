"""Checks `model.num_embed` and its sizes, for all models that embed numbers."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt
from pydantic import BeforeValidator

from dropbench.models.block import Positive
from dropbench.nn.numeric import DEFAULTS, Kind, NumericEmbedding, Sizes, numbers_in

NumEmbed = Annotated[Kind | None, BeforeValidator(lambda value: None if value == "none" else value)]
"""`none` becomes null, which is not part of a run's id."""
Scale = Annotated[float, Gt(0)]


def embedding(
    replicas: int,
    shape: tuple[int, ...],
    inputs: int,
    kind: Kind | None,
    size: Positive | None,
    frequencies: Positive | None,
    scale: Scale | None,
) -> NumericEmbedding | None:
    """Returns the embedding layer of these options for `inputs` inputs, the numbers of this shape first, or None.

    Raises
    ------
    ValueError
        If sizes are given without an embedding, if the data have no numbers, or if a pbld has size 1, which is too small.
    """
    given = {"embed_size": size, "frequencies": frequencies, "frequency_scale": scale}
    if kind is None:
        if said := [name for name, value in given.items() if value is not None]:
            raise ValueError(
                f"{said[0]} needs an embedding of numbers; set num_embed=plr or pbld as well, or remove it"
            )
        return None
    if not numbers_in(shape):
        raise ValueError(f"num_embed={kind} embeds numbers, and these data have only categories; remove it")
    usual = DEFAULTS[kind]
    sizes = Sizes(frequencies or usual.frequencies, size or usual.size, scale or usual.scale)
    if kind == "pbld" and sizes.size == 1:
        raise ValueError("embed_size=1 leaves num_embed=pbld room only for the number itself; it must be 2 or more")
    return NumericEmbedding(replicas, inputs, numbers_in(shape), kind, sizes)
