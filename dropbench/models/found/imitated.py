"""The variant that does to a tensor what the user's own layer does to it."""

from __future__ import annotations

from torch import nn

from dropbench.models.found.current import Taken
from dropbench.models.found.place import Place

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
"""torch's dropout layers."""
_AXES: dict[type[nn.Module], int] = {nn.Dropout1d: 3, nn.Dropout3d: 5}
"""The number of axes of a batch. Of a tensor with fewer, these layers take the first axis, the examples, for the channels."""
_ALPHA = (nn.AlphaDropout, nn.FeatureAlphaDropout)


def imitated(by: Taken, ndim: int, place: Place) -> str | None:
    """Returns the name of the variant; None if no variant does the same, or if nothing was dropped there.

    A layer that drops whole maps takes the second axis for the channels, wherever they are: `nn.Dropout2d` on [B, T, F] drops
    steps, for all features, which no variant does.

    Parameters
    ----------
    by : Taken
        The submodule.
    ndim : int
        The number of axes of the tensor.
    place : Place
        Where noise acts on it.
    """
    site, layer = place.site, by.layer
    if site.own is None:
        return None
    if layer is None:
        return {"branch": "stochastic_depth", "attention": "attention"}.get(by.kind)
    whole_maps = layer not in (nn.Dropout, nn.AlphaDropout) and not (ndim == 2 and layer not in _AXES)
    if not whole_maps:
        one = "alpha" if layer in _ALPHA else "standard"
        return one if site.kind != "attention" else {"standard": "attention"}.get(one)
    if layer in _ALPHA or site.kind == "attention" or ndim != _AXES.get(layer, ndim):
        return None
    channels = place.order[site.axes.index("F" if "F" in site.axes else "C")]
    return "spatial" if (place.batch, place.merged, channels) == (0, 1, 0) else None
