"""Converts pictures from files or memory to images of one size."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_BYTE = 255
_SIXTEEN = 257
"""The divisor for grey pictures with 16 bits per pixel: 65,535 becomes 255."""


def read(source: Path | bytes | PillowImage, size: int, mode: Literal["L", "RGB"]) -> NDArray[np.uint8] | None:
    """Reads a picture as bytes [size, size] or [size, size, 3]; returns None if it cannot be read.

    The picture is rotated as its EXIF data say, its shorter side is scaled to `size`, and the middle is cut out. Transparent
    areas become white.

    Parameters
    ----------
    source : Path, bytes or PIL.Image.Image
        A file, its content, or a Pillow image.
    size : int
        Pixels per side.
    mode : {"L", "RGB"}
        Grey or colour.
    """
    from PIL import Image

    try:
        if isinstance(source, Image.Image):
            return _bytes(source, size, mode)
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
            return _bytes(opened, size, mode)
    # Pillow's readers raise many kinds of errors for a damaged file.
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None


def _bytes(picture: PillowImage, size: int, mode: Literal["L", "RGB"]) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    turned = ImageOps.exif_transpose(picture)
    if turned.mode.startswith(("I", "F")):
        turned = Image.fromarray((np.asarray(turned) // _SIXTEEN).clip(0, _BYTE).astype(np.uint8))
    if "A" in turned.getbands() or "transparency" in turned.info:
        turned = Image.alpha_composite(Image.new("RGBA", turned.size, "white"), turned.convert("RGBA"))
    return np.asarray(ImageOps.fit(turned.convert(mode), (size, size), Image.Resampling.BILINEAR))


def images(pictures: list[NDArray[np.uint8]]) -> Tensor:
    """Converts results of `read` to float32 [n, C, size, size] in 0..1."""
    x = torch.from_numpy(np.stack(pictures))
    x = x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)
    return x.float().div_(_BYTE).contiguous()
