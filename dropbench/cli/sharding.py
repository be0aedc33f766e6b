"""`--shard 3/8`: the part of a course that this command trains if several commands divide it among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.cli.console import Shown
    from dropbench.cli.outcome import Done
    from dropbench.cli.stages import Seen
    from dropbench.execute.shards import Shard
    from dropbench.planning.continuing import Stage
    from dropbench.spec import RunSpec


def share(shard: Shard | None, stages: Sequence[Stage], seen: Seen) -> Sequence[RunSpec]:
    """Return the runs of the last stage that this command trains, and record the runs that other shards train.

    Only runs that no earlier stage had are divided, because otherwise the last shards alone would train a stage's new seeds.
    """
    plan = stages[-1].plan
    if shard is None:
        return plan.specs
    from dropbench.execute.shards import part

    before = {s.run_id for stage in stages[:-1] for s in stage.plan.specs}
    fresh = [s for s in plan.specs if s.run_id not in before]
    mine = part(shard, fresh, plan.outlines, plan.settings)
    own = {s.run_id for s in mine}
    seen.leave(s.run_id for s in fresh if s.run_id not in own)
    return mine


def tell_share(shard: Shard, mine: Sequence[RunSpec], stage: Stage, shown: Shown) -> None:
    """Print how many of a stage's runs belong to this shard."""
    shown.note(f"shard {shard}: {len(mine)} of {count(len(stage.plan.specs), 'run')}")


def tell_rest(shard: Shard, done: Done, shown: Shown) -> None:
    """Print how many runs are left to other shards, and how to bring all shards together."""
    root, left = done.store.root, count(done.elsewhere, "run")
    begin = (
        f"shard {shard} has ended, in {root}; {left} of other shards {'is' if done.elsewhere == 1 else 'are'} missing"
    )
    if done.more:
        shown.note(
            f"{begin}. The next stage needs the runs of all shards: copy the content of each results folder into the "
            f"others, as in cp -r OTHER/. {root}, and run the same command again"
        )
    else:
        shown.note(
            f"{begin}. Once all shards are done, type: dropbench report {root} OTHER; or copy the content of the other "
            f"results folders into this one, as in cp -r OTHER/. {root}"
        )
