"""The log of `benchmarks.gpu`: it prints at once, counts failures, tracks the time budget and makes the report."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress

import torch


class Log:
    """Lines and tables, printed as they come and kept for the report.

    Parameters
    ----------
    device : torch.device
        The device that is tested.
    minutes : float
        The time budget, from now on.
    """

    def __init__(self, device: torch.device, minutes: float) -> None:
        self.device = device
        self.small = device.type == "cpu"
        """Whether this is a test of the script itself, with few replicas and few steps."""
        self.checks: list[tuple[str, str, str, str]] = []
        """(section, what was checked, outcome, figures); the outcome is pass, FAIL or skipped."""
        self.parts: list[str] = []
        self.section = ""
        self._until = time.monotonic() + 60 * minutes
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line at once, after the seconds since the start."""
        print(f"[{time.monotonic() - self._began:6.1f}] {text}", flush=True)

    def left(self) -> float:
        """Return the seconds of the budget that are left."""
        return self._until - time.monotonic()

    def begin(self, section: str, seconds: float) -> bool:
        """Return whether a section of about this many seconds still fits; if not, it is reported as skipped."""
        self.section = section
        if self.left() < (0 if self.small else seconds):
            self.skipped(f"about {seconds:.0f} s needed, {max(0.0, self.left()):.0f} s left")
            return False
        self.say(f"== {section}")
        return True

    def skipped(self, why: str) -> None:
        """Report that a section, or the rest of it, was not measured."""
        self.checks.append((self.section, "(the rest of it)", "skipped", why))
        self.say(f"skipped: {self.section}: {why}")

    def found(self, what: str, passed: bool, figures: str) -> None:
        """Store and print the outcome of a check."""
        self.checks.append((self.section, what, "pass" if passed else "FAIL", figures))
        self.say(f"{'pass' if passed else 'FAIL'}  {what}: {figures}")

    def check(self, what: str, measure: Callable[[], tuple[bool, str]]) -> None:
        """Run a check, which returns whether it passed and its figures; any exception is a failure.

        Once the budget is spent, checks are reported as skipped.
        """
        if self.left() <= 0 and not self.small:
            self.checks.append((self.section, what, "skipped", "the time was spent"))
            return
        with suppress(Exception):
            self.attempt(what, lambda: self.found(what, *measure()))

    def attempt(self, what: str, do: Callable[[], None]) -> None:
        """Call `do`; if it raises, record a failure, print the traceback and raise again."""
        try:
            do()
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            self.found(what, False, text[:300].replace("|", "/"))
            print(traceback.format_exc(), flush=True)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            raise

    def table(self, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], after: str = "") -> None:
        """Add a table to the report, with its title and a text after it."""
        lines = [f"### {title}", "", "| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
        lines += ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows]
        self.parts.append("\n".join([*lines, "", *([after, ""] if after else [])]))
        self.say(f"table: {title}")
        print("\n".join(lines[2:]), flush=True)

    @property
    def failed(self) -> int:
        """The number of failed checks."""
        return sum(outcome == "FAIL" for _, _, outcome, _ in self.checks)

    def report(self, origin: Sequence[tuple[str, str]]) -> str:
        """Return the report as Markdown; `origin` says where the figures come from."""
        counts = {
            word: sum(outcome == word for _, _, outcome, _ in self.checks) for word in ("pass", "FAIL", "skipped")
        }
        lines = ["# dropbench on a GPU", "", *(f"- {name}: {value}" for name, value in origin), ""]
        lines += ["## Correctness", "", ", ".join(f"{n} {word}" for word, n in counts.items()), ""]
        lines += ["| section | check | outcome | figures |", "| --- | --- | --- | --- |"]
        lines += ["| " + " | ".join(cell.replace("|", "/") for cell in check) + " |" for check in self.checks]
        return "\n".join([*lines, "", "## Speed", "", *self.parts])
