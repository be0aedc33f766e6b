"""Words, running text and a graph as a user's own data sets, in a folder for --conf: built-in ones would need files."""

from __future__ import annotations

from pathlib import Path

_FILES = {
    "my_kinds.py": """
import torch

from dropbench.data.base import Graph, Table

WORDS = ("<pad>", "<unk>", *"abcdefgh")


def sentences(root, download, *, count: int = 90):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(1, 10, (count, 6), generator=generator)
    x[torch.arange(6) < torch.randint(6, (count, 1), generator=generator)] = 0
    y = (x == 2).any(1).long() + (x == 3).any(1).long()
    return Table("sentences", x, y, "T", 3, vocabulary=10, words=WORDS)


def running(root, download):
    x = torch.randint(2, 10, (600,), generator=torch.Generator().manual_seed(0))
    parts = {"val": torch.arange(400, 500), "test": torch.arange(500, 600)}
    return Table("running", x[:, None], x.roll(-1), "W", 10, vocabulary=10, window=5, words=WORDS, **parts)


def nodes(root, download, *, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.rand(61, 37, generator=generator) * (torch.rand(61, 37, generator=generator) < 0.2)
    every = torch.combinations(torch.arange(60))
    edges = every[torch.randperm(len(every), generator=generator)[:90].sort().values].T.contiguous()
    return Table("nodes", torch.arange(61)[:, None], torch.arange(61) % 3, "N", 3, graph=Graph(features, edges))
""",
    "data/sentences.yaml": "# Sentences\ndefaults: [_split]\n_target_: my_kinds.sentences\nname: sentences\n",
    "data/running.yaml": "# Running text\ndefaults: [_split]\n_target_: my_kinds.running\nname: running\n",
    "data/nodes.yaml": "# A graph\ndefaults: [_split]\n_target_: my_kinds.nodes\nname: nodes\n",
}


def bring_kinds(folder: Path) -> Path:
    for name, text in _FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.replace("\n", "\n"), encoding="utf-8")
    return folder
