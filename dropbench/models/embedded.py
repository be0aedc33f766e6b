"""`model.num_embed` and its sizes, checked: what models that embed numbers share."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt
from pydantic import BeforeValidator

from dropbench.models.block import Positive
from dropbench.nn.numeric import DEFAULTS, Kind, NumericEmbedding, Sizes, numbers_in

NumEmbed = Annotated[Kind | None, BeforeValidator(lambda value: None if value == "none" else value)]
"""`none` is null: it is absent from a run's id."""
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
    """The layer that these options name, on `inputs` inputs with the numbers of this shape first; None for no embedding.

    Raises
    ------
    ValueError
        For sizes of an embedding that there is not, for data without a number, and for a pbld of one, which has no room.
    """
    given = {"embed_size": size, "frequencies": frequencies, "frequency_scale": scale}
    if kind is None:
        if said := [name for name, value in given.items() if value is not None]:
            raise ValueError(
                f"{said[0]} is of an embedding of numbers; set num_embed=plr or pbld as well, or leave it out"
            )
        return None
    if not numbers_in(shape):
        raise ValueError(f"num_embed={kind} embeds numbers, and these data have categories alone; leave it out")
    usual = DEFAULTS[kind]
    sizes = Sizes(frequencies or usual.frequencies, size or usual.size, scale or usual.scale)
    if kind == "pbld" and sizes.size == 1:
        raise ValueError("embed_size=1 leaves num_embed=pbld the number itself alone; it must be 2 or more")
    return NumericEmbedding(replicas, inputs, numbers_in(shape), kind, sizes)
