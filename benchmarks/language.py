"""A training step of a language model, LSTM 2 × 200 on Penn Treebank, beside the same in plain PyTorch.

Steps are timed instead of epochs, which take minutes: windows of 20 words in 20 columns from the start of the text, SGD with
clipping, dropout 0.2 between layers (Zaremba et al. 2014), one thread, one replica. Both sides first train on the same words
until their losses can be compared, and are then timed. Evaluation is not timed.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from itertools import cycle

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measure import Row, alternate_calls, ratio_row, row
from benchmarks.specs import cohort, spec, table
from dropbench.data.batch import Batch
from dropbench.data.text import fold
from dropbench.hardware.blas import use_threads

WORDS, HIDDEN, LAYERS, WINDOW, COLUMNS, RATE = 10_000, 200, 2, 20, 20, 0.2
LR, CLIP = 20.0, 0.25
WARMED = 60
"""The number of steps before timing; the losses of the last 20 are compared."""


class LanguageModel(nn.Module):
    """The network of PyTorch's example word_language_model, with initial weights from dropbench's distributions."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, HIDDEN)
        self.lstm = nn.LSTM(HIDDEN, HIDDEN, LAYERS, dropout=RATE, batch_first=True)
        self.head = nn.Linear(HIDDEN, WORDS)
        self.drop = nn.Dropout(RATE)
        self.start()

    @torch.no_grad()
    def start(self) -> None:
        """Draw the initial weights."""
        nn.init.normal_(self.embedding.weight, std=HIDDEN**-0.5)
        nn.init.kaiming_uniform_(self.head.weight, nonlinearity="linear")
        nn.init.zeros_(self.head.bias)
        for name, parameter in self.lstm.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
                if "bias_ih" in name:
                    nn.init.ones_(parameter[HIDDEN : 2 * HIDDEN])
            elif "weight_hh" in name:
                for block in parameter.split(HIDDEN):
                    nn.init.orthogonal_(block)
            else:
                nn.init.kaiming_uniform_(parameter, nonlinearity="linear")

    def forward(self, words: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the logits [B, T, V] of words [B, T] int64, and the state after the last word."""
        out, state = self.lstm(self.drop(self.embedding(words)), state)
        return self.head(self.drop(out)), state


def measure(n: int, seconds: float) -> list[Row]:
    """Measure milliseconds per step, and their ratios, in n blocks of `seconds` for each side."""
    use_threads(1)
    losses: dict[str, list[float]] = {name: [] for name in ("plain", "plain bf16", "dropbench", "dropbench bf16")}
    calls = {name: _step(name, losses[name]) for name in losses}
    for call in calls.values():
        for _ in range(WARMED):
            call()
    reached = {name: statistics.fmean(each[-20:]) for name, each in losses.items()}
    blocks = alternate_calls(calls, n, seconds)
    told = {name: {"accuracy": f"loss {reached[name]:.3f}", "counts": _counts(reached, name)} for name in calls}
    rows = [
        row("language", name, "step", [1e3 * t for t in times], "ms", **told[name]) for name, times in blocks.items()
    ]
    pairs = [("plain", "dropbench"), ("plain bf16", "dropbench bf16"), ("plain", "dropbench bf16")]
    return rows + [ratio_row("language", above, below, blocks, **told[below]) for above, below in pairs]


def _counts(reached: dict[str, float], name: str) -> str:
    return "yes" if abs(reached[name] / reached["plain"] - 1) < 0.02 else "no"


def _step(name: str, losses: list[float]) -> Callable[[], None]:
    return _dropbench(name.endswith("bf16"), losses) if name.startswith("dropbench") else _plain("bf16" in name, losses)


def _dropbench(bf16: bool, losses: list[float]) -> Callable[[], None]:
    told = ["data=ptb", "model=lm", f"model.hidden={HIDDEN}", f"model.layers={LAYERS}", f"data.window={WINDOW}"]
    told += ["train=zaremba_small", "dropout=standard", f"dropout.rate={RATE}"]
    told += [f"train.precision={'bf16' if bf16 else 'fp32'}"]
    training = cohort([spec(told)], table("data=ptb", f"data.window={WINDOW}"))

    def forever() -> Iterator[Batch]:
        while True:
            yield from training.replicas.batches.epoch()

    batches = forever()

    def step() -> None:
        loss, _ = training.train_step(next(batches), 1.0)
        losses.append(float(loss))

    return step


def _plain(bf16: bool, losses: list[float]) -> Callable[[], None]:
    torch.manual_seed(0)
    net = LanguageModel()
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)
    text = table("data=ptb", f"data.window={WINDOW}")
    assert text.val is not None
    ends = int(text.val[0]) - 1
    windows = cycle(zip(fold(text.x[:ends, 0], COLUMNS, WINDOW), fold(text.y[:ends], COLUMNS, WINDOW), strict=True))
    state: tuple[Tensor, Tensor] | None = None

    def step() -> None:
        nonlocal state
        words, targets = next(windows)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits, (h, c) = net(words, state)
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        state = h.detach(), c.detach()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        optimizer.step()
        losses.append(loss.item())

    return step
