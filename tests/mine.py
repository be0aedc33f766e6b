"""A user's own parts, in a folder for --conf: a model, a variant, a data set, a study, and metrics that fail."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "my_model.py": '''
from torch import nn

from dropbench.sites import Site


class Tiny(nn.Module):
    """An ordinary module: no replica axis."""

    eats = ("flat",)

    def __init__(self, shape, n_classes, *, units: int = 4):
        super().__init__()
        self.one, self.two = nn.Linear(shape[0], units), nn.Linear(units, n_classes)
        self.sites = (Site("middle", "activation", (units,), "F"),)

    def forward(self, x, noise):
        return self.two(noise("middle", self.one(x).tanh()))
''',
    "my_variant.py": '''
from dropbench.dropout.standard import Standard


class Half(Standard):
    """Half of each mask."""

    def __init__(self, *, strength: float):
        self.strength = strength

    def act(self, x, mask, rate):
        return x * (1 + self.strength * (mask - 1))
''',
    "my_data.py": """
import torch

from dropbench.data.base import Table


def load(root, download, *, rows: int = 60):
    x = torch.linspace(-1, 1, rows * 3).reshape(rows, 3)
    return Table(name="stripes", x=x, y=torch.arange(rows) % 3, axes="F", n_classes=3)
""",
    "my_metric.py": '''
import os
import signal
from pathlib import Path

from dropbench.metrics.accuracy import accuracy


def _first(folder):
    """Whether this is the first call: a file remembers."""
    try:
        os.close(os.open(folder, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def kill(logits, targets, *, classes: int, mark: str):
    """Kills its process for data with that many classes: each time, or once where `mark` names a file."""
    if logits.shape[-1] == classes and (not mark or _first(mark)):
        os.kill(os.getpid(), signal.SIGKILL)
    return accuracy(logits, targets)


def fail(logits, targets, *, above: int, mark: str):
    """Raises in a stack of more than `above`: each time, or once where `mark` names a file."""
    if logits.shape[0] > above and (not mark or _first(mark)):
        raise RuntimeError("too many\\nof them")
    return accuracy(logits, targets)
''',
    "model/tiny.yaml": "# A user's model\n_target_: my_model.Tiny\nname: tiny\nunits: 4\n",
    "dropout/half.yaml": (
        "# A user's variant\ndefaults:\n  - _common\n\n_target_: my_variant.Half\nname: half\nstrength: 0.5\n"
    ),
    "data/stripes.yaml": (
        "# A user's data\ndefaults:\n  - _split\n\n_target_: my_data.load\nname: stripes\nrows: 60\n"
    ),
    "metric/kill.yaml": "# Kills\nkill:\n  _target_: my_metric.kill\n  name: kill\n  classes: 0\n  mark: ''\n",
    "metric/fail.yaml": "# Fails\nfail:\n  _target_: my_metric.fail\n  name: fail\n  above: 0\n  mark: ''\n",
    "study/pair.yaml": (
        "# A user's study\nquestion: Is it worth it?\nbaseline: without\nseed: 0,1\n"
        "arms: {without: {dropout: none}, with: {dropout.rate: 0.3, train.weight_decay: 0.01}}\n"
    ),
}


def bring(folder: Path) -> Path:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder
