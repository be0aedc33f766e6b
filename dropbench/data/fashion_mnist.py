"""Fashion-MNIST: MNIST's size and shape, but harder."""

from __future__ import annotations

from pathlib import Path

from dropbench.data._torchvision import load_images
from dropbench.data.base import Table


def load(root: Path, download: bool) -> Table:
    """Returns 60,000 training and 10,000 test images of clothing, grey, 28x28, with 10 balanced classes.

    They take 53 MB on disk.

    Parameters
    ----------
    root : Path
        Folder of all data sets; the files are in `root`/FashionMNIST/raw.
    download : bool
        Whether missing files may be downloaded.

    Raises
    ------
    UsageError
        If files are missing or damaged, or cannot be downloaded.

    References
    ----------
    Xiao, Rasul and Vollgraf, "Fashion-MNIST", 2017 (arXiv:1708.07747).
    """
    return load_images(
        "FashionMNIST",
        root,
        download,
        name="fashion_mnist",
        source="Fashion-MNIST (Xiao, Rasul and Vollgraf 2017), read by torchvision",
        counts=(60_000, 10_000),
        shape=(1, 28, 28),
    )
