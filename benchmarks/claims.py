"""What dropbench says of its speed, as ratios that the measurements decide; nothing here is a measurement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.measure import RATIO, Row


@dataclass(frozen=True)
class Claim:
    """`above` / `below` of one workload is at most, or at least, `asked`."""

    text: str
    workload: str
    above: str
    below: str
    asked: float
    at_most: bool
    what: str = RATIO

    @property
    def runner(self) -> str:
        return f"{self.above} / {self.below}" if self.below else self.above

    @property
    def limit(self) -> str:
        unit = " ×" if self.what == RATIO else ""
        return f"{'≤' if self.at_most else '≥'} {self.asked:g}{unit}"


def _faster(text: str, workload: str, peer: str, asked: float, ours: str = "dropbench") -> Claim:
    return Claim(text, workload, peer, ours, asked, at_most=False)


def _costs(text: str, workload: str, ours: str, peer: str, asked: float) -> Claim:
    return Claim(text, workload, ours, peer, asked, at_most=True)


IDENTICAL = "runs that differ"
CLAIMS = (
    _costs(
        "50 digits runs of 20 epochs, against one DataLoader script", "digits-20", "dropbench", "one loader script", 1.1
    ),
    _faster("50 digits runs of 100 epochs, against joblib 2 × 1", "digits-100", "joblib", 3.5),
    _faster("the same, against a plain loop", "digits-100", "plain", 6.5),
    _faster("the same, against Lightning", "digits-100", "lightning", 15),
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
    """The pairs (above, below) that the claims on a workload are about."""
    return [(c.above, c.below) for c in CLAIMS if c.workload == workload and c.what == RATIO]


def verdicts(rows: Iterable[Row]) -> list[tuple[Claim, Row | None, str]]:
    """Each claim with its row, or None where it was not measured, and whether it is reached."""
    found = {(r.workload, r.runner, r.what): r for r in rows}
    told = []
    for claim in CLAIMS:
        row = found.get((claim.workload, claim.runner, claim.what))
        told.append((claim, row, "not measured" if row is None else _verdict(claim, row)))
    return told


def _verdict(claim: Claim, row: Row) -> str:
    if row.counts == "no":
        return "does not count: the accuracies differ"
    reached = row.median <= claim.asked if claim.at_most else row.median >= claim.asked
    return "yes" if reached else "no"
