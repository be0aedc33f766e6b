"""Refuses pairs of options that do not go together, because the command would ignore one of them."""

from __future__ import annotations

from dropbench.errors import UsageError


def check_train(*, cfg: bool, dry_run: bool) -> None:
    """Raise UsageError for options of `train` of which one would have no effect."""
    if cfg and dry_run:
        raise UsageError(
            "--cfg prints the settings and stops, --dry-run shows what would be trained and stops: type one of the two"
        )


def check_sweep(*, estimate: bool | None, dry_run: bool, fail_fast: bool, max_failures: int | None) -> None:
    """Raise UsageError for options of `sweep` of which one would have no effect. estimate: None if it was not typed."""
    if estimate is not None and not dry_run:
        typed = "--estimate" if estimate else "--no-estimate"
        raise UsageError(f"{typed} is for --dry-run, which estimates the time and trains nothing: add --dry-run")
    if fail_fast and max_failures is not None and max_failures != 1:
        raise UsageError(
            f"--fail-fast stops at the first failed run, --max-failures {max_failures} later: type one of the two"
        )
