"""The claims about dropbench's speed, as limits on ratios; measurements decide whether they hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.measure import RATIO, Row


@dataclass(frozen=True)
class Claim:
    """The claim that the ratio `above` / `below` of two runners on one workload is at most, or at least, `asked`.

    Attributes
    ----------
    text : str
        The claim in words.
    workload : str
        Name of the workload, as in `Row`.
    above, below : str
        Names of the runners; with an empty `below`, the claim is about a figure of `above` itself.
    asked : float
        The limit.
    at_most : bool
        Whether the limit is an upper one.
    what : str
        What is measured, as in `Row`.
    """

    text: str
    workload: str
    above: str
    below: str
    asked: float
    at_most: bool
    what: str = RATIO

    @property
    def runner(self) -> str:
        """The runner of the row that decides the claim, as in `Row`."""
        return f"{self.above} / {self.below}" if self.below else self.above

    @property
    def limit(self) -> str:
        """The limit as printed, such as "≤ 1.1 ×"."""
        unit = " ×" if self.what == RATIO else ""
        return f"{'≤' if self.at_most else '≥'} {self.asked:g}{unit}"


def _faster(text: str, workload: str, peer: str, asked: float, ours: str = "dropbench") -> Claim:
    return Claim(text, workload, peer, ours, asked, at_most=False)


def _costs(text: str, workload: str, ours: str, peer: str, asked: float) -> Claim:
    return Claim(text, workload, ours, peer, asked, at_most=True)


SMALL = {
    "digits-20": "50 digits runs of 20 epochs",
    "digits-100": "50 digits runs of 100 epochs",
    "cnn-digits": "CNN on digits",
}
"""Sweeps whose training steps are mostly overhead around the arithmetic, with their names in claims."""
LARGER = {
    "mnist-256": "MNIST-256 sweep",
    "mnist-1024": "MNIST-1024 sweep",
    "cnn": "small CNN",
    "gru": "GRU with recurrent dropout",
    "lstm": "LSTM with recurrent dropout",
}
IN_ONE_PROCESS = ("digits-20", "digits-100")
"""Workloads on which JAX is also timed in one process with both processors, because either way may be faster."""


def _stacked() -> Iterable[Claim]:
    """Return the claims against peers that train many runs at once, as an expert would write it."""
    for asked, sweeps in ((3, SMALL), (1.5, LARGER)):
        for workload, text in sweeps.items():
            yield _faster(f"{text}, against JAX 2 × 1", workload, "jax", asked)
            if workload in IN_ONE_PROCESS:
                yield _faster(f"{text}, against JAX in one process", workload, "jax one process", asked)
            yield _faster(f"{text}, against torch.func 2 × 1", workload, "torch.func", asked)


IDENTICAL = "runs that differ"
CLAIMS = (
    _costs(
        "50 digits runs of 20 epochs, against one DataLoader script", "digits-20", "dropbench", "one loader script", 1.1
    ),
    _faster("50 digits runs of 100 epochs, against joblib 2 × 1", "digits-100", "joblib", 3.5),
    _faster("the same, against a plain loop", "digits-100", "plain", 6.5),
    _faster("the same, against Lightning", "digits-100", "lightning", 15),
    *_stacked(),
    _faster("MNIST-256 sweep, against joblib", "mnist-256", "joblib", 1.6),
    _faster("the same in bf16, against joblib in fp32", "mnist-256", "joblib", 2.5, "dropbench bf16"),
    _faster("small CNN, against joblib", "cnn", "joblib", 1.7),
    _faster("the same in bf16, against joblib in fp32", "cnn", "joblib", 2.8, "dropbench bf16"),
    _costs("GRU with recurrent dropout, against nn.GRU without, K = 1", "recurrent", "GRU masks K=1", "nn.GRU", 1),
    _costs("the same, of each of K = 4", "recurrent", "GRU masks K=4", "nn.GRU", 1),
    _costs("LSTM weight-drop, against nn.LSTM", "recurrent", "LSTM weight-drop K=1", "nn.LSTM", 1.2),
    _faster("LSTM with recurrent masks, against an eager loop", "recurrent", "eager LSTM loop", 1.2, "LSTM masks K=1"),
    _costs("a mask, against nn.Dropout", "masks", "mask", "nn.Dropout", 1 / 10),
    _costs("a mask and its multiplication, against the same", "masks", "mask and multiply", "nn.Dropout", 1 / 10),
    _costs("a mask, one of 10 arms that share a draw", "masks", "shared by 10: mask", "nn.Dropout", 1 / 20),
    _costs("with its multiplication", "masks", "shared by 10: mask and multiply", "nn.Dropout", 1 / 20),
    Claim("bit-identity over K = 1, 3, 16 and 1 or 2 workers", "identity", "all models", "", 0, True, IDENTICAL),
)


def ratios_of(workload: str) -> list[tuple[str, str]]:
    """Return the pairs (above, below) of the claims on a workload."""
    return [(c.above, c.below) for c in CLAIMS if c.workload == workload and c.what == RATIO]


def verdicts(rows: Iterable[Row]) -> list[tuple[Claim, Row | None, str]]:
    """Return each claim with the row that decides it, or None if it was not measured, and the verdict."""
    measured = {(r.workload, r.runner, r.what): r for r in rows}
    decided = []
    for claim in CLAIMS:
        row = measured.get((claim.workload, claim.runner, claim.what))
        decided.append((claim, row, "not measured" if row is None else _verdict(claim, row)))
    return decided


def _verdict(claim: Claim, row: Row) -> str:
    if row.counts == "no":
        return "does not count: the accuracies differ"
    reached = row.median <= claim.asked if claim.at_most else row.median >= claim.asked
    return "yes" if reached else "no"
