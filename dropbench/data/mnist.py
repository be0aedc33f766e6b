"""MNIST: handwritten digits, the data set of the first dropout papers."""

from __future__ import annotations

from pathlib import Path

from dropbench.data._torchvision import load_images
from dropbench.data.base import Table


def load(root: Path, download: bool) -> Table:
    """Returns 60,000 training and 10,000 test images, grey, 28x28, with 10 classes.

    They take 53 MB on disk.

    Parameters
    ----------
    root : Path
        Folder of all data sets; the files are in `root`/MNIST/raw.
    download : bool
        Whether missing files may be downloaded.

    Raises
    ------
    UsageError
        If files are missing or damaged, or cannot be downloaded.

    References
    ----------
    LeCun, Cortes and Burges, "The MNIST database of handwritten digits", 1998.
    """
    return load_images(
        "MNIST",
        root,
        download,
        name="mnist",
        source="MNIST (LeCun, Cortes and Burges 1998), read by torchvision",
        counts=(60_000, 10_000),
        shape=(1, 28, 28),
    )
