"""Correctness on a GPU, for `benchmarks.gpu`, which the tests cannot check because they run without a GPU."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from benchmarks.gpu_log import Log
from benchmarks.gpu_runs import (
    MODELS,
    VARIANTS,
    broken_off,
    cohort,
    distance,
    farthest,
    made,
    ordinary,
    place,
    seeded,
    steps,
    weights,
    with_train,
)
from dropbench.config.options import options
from dropbench.engine import stack
from dropbench.engine.evaluate import evaluate, evaluating, outputs
from dropbench.engine.result import RunResult
from dropbench.engine.snapshot import resume
from dropbench.engine.streams import NoiseStream
from dropbench.engine.train import Training
from dropbench.planning.variants import variant
from dropbench.spec import RunSpec

CPU = torch.device("cpu")
ALONE = 1e-3
"""The largest relative difference between a replica in a stack and alone after a few steps: of weights (by norm) and loss."""
CROSS = 1e-4
"""The largest difference of logits between GPU and CPU for the same weights, relative to the largest logit, with TF32 off."""
SIGMAS = 5.0
_SINGLE = torch.float32


def every_variant(log: Log) -> None:
    """Check that each model under its variants trains two epochs in a stack of three, with finite results."""
    tried: set[str] = set()
    for model, typed in ((m, t) for m, several in VARIANTS.items() for t in several):
        tried.add(typed.split()[0])
        log.check(f"{model} / {typed}", partial(_trains, log, made(model, typed)))
    lacking = sorted(set(options("dropout")) - tried)
    log.found("every variant was tried", not lacking, ", ".join(lacking) or f"{len(tried)} variants")


def settings(log: Log) -> None:
    """Check settings that change what a step does: precision, schedules, augmentation, clipping, evaluation, metrics."""
    cases: dict[str, RunSpec] = {
        f"bf16, {model}": made(model, "none" if model == "gcn" else "standard", "train.precision=bf16")
        for model in MODELS
    }
    cases |= {
        "schedule of the rate": made("mlp", "standard", "dropout/schedule=linear_up"),
        "augmentation": made(
            *("cnn", "standard", "train.augment.crop=1", "train.augment.flip=0.5"),
            *("train.augment.rotation=10", "train.augment.erase=0.5"),
        ),
        "clipping and max norm": made("rnn lstm", "recurrent", "train.grad_clip=0.5", "train.max_norm=2.0"),
        "sgd, label smoothing": made("mlp", "standard", "train.optimizer=sgd", "train.label_smoothing=0.1"),
        "eval.mode=mc": made("cnn", "standard", "eval.mode=mc", "eval.passes=3"),
        "eval.mode=ensemble": made("mlp", "standard", "eval.mode=ensemble", "eval.passes=3"),
        "ordinary module by vmap": ordinary(made("mlp", "standard")),
        "ordinary module alone": ordinary(made("mlp", "standard", "train.precision=bf16")),
    }
    for name, one in cases.items():
        alone = name == "ordinary module alone"
        log.check(name, partial(_trains, log, one, 1 if alone else 3))
    for metric in options("metric"):
        if metric not in ("loss", "accuracy", "ood"):  # ood needs another data set
            more = ["eval.mode=mc", "eval.passes=3"] if metric == "mask_gradients" else []
            one = made("mlp", "standard", f"metric=[loss,{metric}]", *more)
            log.check(f"metric {metric}", partial(_trains, log, one))


def _trains(log: Log, one: RunSpec, replicas: int = 3) -> tuple[bool, str]:
    # If possible, every other run is without noise, as in a real comparison.
    rates = None if not variant(one.dropout).kinds else [one.dropout.rate, 0.0]
    results = list(cohort(seeded(one, range(replicas), rates), log.device).run())
    last = [result.history[-1]["train_loss"] for result in results]
    finite = all(math.isfinite(v) for r in results for v in (*r.metrics.values(), *r.history[-1].values()))
    done = len(results) == replicas and all(r.status == "completed" for r in results)
    return finite and done, f"{replicas} runs, training loss {', '.join(f'{v:.3f}' for v in last)}"


def streams(log: Log) -> None:
    """Check masks: their rate, and that they depend only on seed and name."""
    for draws in ("bits", "normal"):

        def drawn(seeds: Sequence[int], name: str = "mask/a", n: int = 1000, draws: str = draws) -> Tensor:
            stream = NoiseStream(seeds, name, n, draws, log.device)
            return torch.stack([stream.next().clone() for _ in range(130)], 1)  # crosses the end of a block

        def alone_and_beside(drawn: Callable[..., Tensor] = drawn) -> tuple[bool, str]:
            alone = drawn([3])[0]
            stacks = [[0, 3], [3, 7, 9], list(range(64)), [3] * 16, [5, 3] * 32]
            same = [bool((rows == alone).all()) for s in stacks for k, rows in enumerate(drawn(s)) if s[k] == 3]
            return all(same), f"{sum(same)} of {len(same)} places have the bits of seed 3 alone"

        def told_apart(drawn: Callable[..., Tensor] = drawn) -> tuple[bool, str]:
            one, again, name, seed = drawn([3]), drawn([3]), drawn([3], "mask/b"), drawn([4])
            equal = [float((one == other).double().mean()) for other in (again, name, seed)]
            return equal[0] == 1 and max(equal[1:]) < 1e-3, "equal numbers: again {:.0%}, {:.2e}, {:.2e}".format(*equal)

        log.check(f"{draws}: bits of a replica in any stack", alone_and_beside)
        log.check(f"{draws}: same seed and name again, another name, another seed", told_apart)
    log.check("normal: mean and variance", lambda: _moments(log))
    for name in ("standard", "spatial", "dropblock", "locked"):
        log.check(f"share that {name} drops", partial(_share, log, name))
    for model, typed in (
        ("mlp", "gaussian"),
        ("cnn", "dropblock"),
        ("transformer", "attention"),
        ("rnn lstm", "zoneout"),
    ):
        log.check(f"masks of {typed} in any stack", partial(_masks, log, model, typed))


def _moments(log: Log) -> tuple[bool, str]:
    stream = NoiseStream([0], "mask/a", 10_000, "normal", log.device)
    x = torch.cat([stream.next()[0].double() for _ in range(20)])
    mean, square = float(x.mean()) * len(x) ** 0.5, float(x.square().mean() - 1) * (len(x) / 2) ** 0.5
    return max(abs(mean), abs(square)) < SIGMAS, f"{mean:+.2f} and {square:+.2f} standard errors off, n = {len(x)}"


def _share(log: Log, name: str) -> tuple[bool, str]:
    """Check the dropped share over independent draws: elements that share a draw, or are in one block, count once."""
    model = {"spatial": "cnn", "dropblock": "cnn", "locked": "rnn lstm"}.get(name, "mlp")
    rates = [0.1, 0.3, 0.5, 0.9]
    training = cohort(seeded(made(model, name), range(4), rates), log.device)
    site, several = next(iter(training.replicas.noise._at.items()))
    dropped, n = torch.zeros(4, dtype=torch.float64), 0
    for _ in range(200):
        mask = several[0].mask(64, _SINGLE)
        mask = mask[..., ::3, ::3] if name == "dropblock" else mask
        dropped += (mask == 0).flatten(1).sum(1).double().cpu()
        n += mask[0].numel()
    nominal = torch.tensor([s.dropout.rate for s in training.replicas.specs], dtype=torch.float64)
    sigmas = (dropped / n - nominal) / (nominal * (1 - nominal) / n).sqrt()
    shares = ", ".join(f"{float(d) / n:.4f}" for d in dropped)
    worst = float(sigmas.abs().max())
    return worst < SIGMAS, f"{site}: {shares}; at most {worst:.1f} σ off, n = {n}"


def _masks(log: Log, model: str, typed: str) -> tuple[bool, str]:
    runs = seeded(made(model, typed), range(9))
    own = runs[4]

    def of(several: Sequence[RunSpec]) -> list[Tensor]:
        training = cohort(several, log.device)
        k = place(training, own)
        sites = [at for found in training.replicas.noise._at.values() for at in found]
        return [at.mask(32, _SINGLE)[k] for at in sites for _ in range(70)]

    alone = of([own])
    same = [all(map(torch.equal, alone, of(beside))) for beside in (runs, runs[4:], runs[:5], runs[3:6])]
    return all(same), f"{len(alone)} masks in 4 stacks, all alike in {sum(same)}"


def alone_and_stacked(log: Log) -> None:
    """Compare the same replica alone and in stacks, after a few training steps with noise."""
    sizes = (4, 16) if log.small else (4, 16, 64)
    cases = [("mlp", "standard"), ("cnn", "standard"), ("rnn gru", "recurrent"), ("resnet", "none")]
    # By default, PyTorch uses TF32 only in convolutions, not in other products.
    every = [(False, ALONE, *case) for case in cases] + [
        (True, 10 * ALONE, *case) for case in cases if case[0] == "cnn"
    ]
    for on, allowed, model, typed in every:
        measure = partial(_beside, log, model, typed, sizes, allowed)
        with convolutions(on):
            named = f"{model} / {typed}, TF32 {'on (as PyTorch starts)' if on else 'off'} in convolutions"
            log.check(named, measure)


def _beside(log: Log, model: str, typed: str, sizes: Sequence[int], tolerance: float) -> tuple[bool, str]:
    n = 20
    runs = seeded(made(model, typed), range(max(sizes)), None if typed == "none" else [0.3, 0.5])
    own = runs[2]

    def trained(several: Sequence[RunSpec]) -> tuple[dict[str, Tensor], float]:
        training = cohort(several, log.device)
        steps(training, n)
        k = place(training, own)
        return weights(training, k), float(evaluate(training.replicas, "val")["loss"][k])

    alone, loss = trained([own])
    told, worst = [], 0.0
    for size in sizes:
        beside, beside_loss = trained(runs[:size])
        away = distance(alone, beside), abs(beside_loss - loss) / loss
        most = farthest(alone, beside)
        told.append(f"K={size}: weights {away[0]:.1e} (one of them {most:.1e}), val_loss {away[1]:.1e}")
        worst = max(worst, *away)
    return worst < tolerance, f"relative, after {n} steps: {'; '.join(told)} (allowed {tolerance:.0e})"


@contextmanager
def convolutions(tf32: bool) -> Iterator[None]:
    """Turn TF32 in convolutions on or off inside the context; by default PyTorch has it on."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def against_cpu(log: Log) -> None:
    """Compare GPU and CPU with the same weights and examples: logits, and the gradient of a step without noise."""
    log.say(
        f"TF32: in products {torch.backends.cuda.matmul.allow_tf32}, in convolutions {torch.backends.cudnn.allow_tf32}"
    )
    for model in MODELS:
        cases = [(False, "fp32", CROSS)]
        if model in ("cnn", "resnet"):
            cases.append((True, "fp32", 3e-2))
        if model not in ("gcn", "lm"):
            cases.append((False, "bf16", 0.05))
        for tf32, precision, tolerance in cases:
            named = f"{model}, {precision}" + (", TF32 on" if tf32 else "")
            with convolutions(tf32):
                log.check(named, partial(_cross, log, model, precision, tolerance))


def _cross(log: Log, model: str, precision: str, tolerance: float) -> tuple[bool, str]:
    runs = seeded(made(model), range(3))
    here = cohort(runs, CPU)
    there = cohort([with_train(run, precision=precision) for run in runs], log.device)
    with torch.no_grad():
        for name, tensor in stack.state(there.replicas.model).items():
            tensor.copy_(stack.state(here.replicas.model)[name])
    a, b = _logits(here), _logits(there)
    logits = float((a - b).abs().max()) / float(a.abs().max())
    gradients = [_gradient(training) for training in (here, there)]
    # Relative to the largest of all, because some gradients are zero up to rounding, such as the keys' bias in attention.
    apart = max(float((g - h).abs().max()) for g, h in zip(*gradients, strict=True))
    slope = apart / max(float(g.abs().max()) for g in gradients[0])
    return logits < tolerance and slope < 10 * tolerance, (
        f"relative to the largest: logits {logits:.1e} (allowed {tolerance:.0e}), "
        f"gradients {slope:.1e} (allowed {10 * tolerance:.0e})"
    )


def _logits(training: Training) -> Tensor:
    replicas = training.replicas
    with torch.no_grad(), evaluating(replicas), replicas.autocast():
        return torch.cat([out.cpu().double() for out, _ in outputs(replicas, "test")], 1)


def _gradient(training: Training) -> list[Tensor]:
    """Return the gradient for the first batch of an epoch, whose order depends only on the seed."""
    stack.begin(training.replicas.model)
    loss = training.replicas.losses(next(training.replicas.batches.epoch()))
    loss.sum().backward()
    return [p.grad.cpu().double() for p in training.parameters if p.grad is not None]


def stopping(log: Log) -> None:
    """Check replicas that stop early, and the stack that continues without them."""
    for model, typed in (("mlp", "standard"), ("rnn lstm", "recurrent"), ("cnn", "spatial"), ("mlp", "concrete")):
        log.check(f"{model} / {typed}, patience 2", partial(_stops, log, model, typed))
    log.check("a replica that diverges leaves the stack", lambda: _diverges(log))


def _stops(log: Log, model: str, typed: str) -> tuple[bool, str]:
    one = with_train(made(model, typed), epochs=12, patience=2)
    lrs = [0.03, 0.003, 0.02, 0.001, 0.01, 0.005]
    runs = [with_train(run, lr=lr) for run, lr in zip(seeded(one, range(6)), lrs, strict=True)]
    with convolutions(False):
        together = _results(runs, log)
        away, epochs = [], set()
        for run in runs:
            alone, beside = _results([run], log)[run.run_id], together[run.run_id]
            epochs.add(len(beside.history))
            # Rounding may change which epoch is best. The first epochs must be close, and test losses if it did not change.
            pairs = zip(alone.history[:3], beside.history[:3], strict=True)
            away += [abs(a["val_loss"] - b["val_loss"]) / a["val_loss"] for a, b in pairs]
            if alone.chosen_epoch == beside.chosen_epoch:
                away.append(abs(alone.metrics["test_loss"] - beside.metrics["test_loss"]) / alone.metrics["test_loss"])
    worst = max(away)
    return worst < 0.05 and len(together) == 6, (
        f"6 runs ended after {sorted(epochs)} epochs; losses at most {worst:.1e} from those alone, "
        f"{len(away) - 18} of 6 with the same best epoch"
    )


def _diverges(log: Log) -> tuple[bool, str]:
    runs = seeded(with_train(made("mlp", "standard"), epochs=4), range(4))
    runs[1] = with_train(runs[1], lr=1e30)
    found = _results(runs, log)
    status = [found[run.run_id].status for run in runs]
    return status == ["completed", "diverged", "completed", "completed"], ", ".join(status)


def _results(runs: Sequence[RunSpec], log: Log) -> dict[str, RunResult]:
    return {result.spec.run_id: result for result in cohort(runs, log.device).run()}


def going_on(log: Log) -> None:
    """Check runs that are interrupted in the middle of an epoch and resumed from their saved states."""
    for draws in ("bits", "normal"):
        log.check(f"{draws}: a stream goes on in other company", partial(_stream_goes_on, log, draws))
    cases = (
        ("mlp", "standard"),
        ("mlp", "concrete"),
        ("cnn", "dropblock"),
        ("rnn lstm", "recurrent"),
        ("lm", "standard"),
    )
    for model, typed in (*cases, ("resnet", "stochastic_depth dropout.per=batch")):
        log.check(f"{model} / {typed}", partial(_goes_on, log, model, typed))


def _stream_goes_on(log: Log, draws: str) -> tuple[bool, str]:
    same = 0
    for taken in (5, 64, 70, 128):
        whole, rest = (NoiseStream(seeds, "mask/a", 1000, draws, log.device) for seeds in ([5, 3, 9], [3, 3, 9, 5]))
        for _ in range(taken):
            whole.next()
        states = whole.states()
        rest.resume([states[k] for k in (1, 1, 2, 0)])
        pairs = [(whole.next()[[1, 1, 2, 0]], rest.next()) for _ in range(100)]
        same += all(torch.equal(a, b) for a, b in pairs)
    return same == 4, f"the same bits for 100 steps from {same} of 4 places"


def _goes_on(log: Log, model: str, typed: str) -> tuple[bool, str]:
    runs = seeded(made(model, typed), range(4))
    whole = _results(runs, log)
    states = broken_off(cohort(runs, log.device), 2, 3)
    training = cohort(runs, log.device)
    resume(training, states)
    gone_on = {result.spec.run_id: result for result in training.run()}
    losses = [[results[run.run_id].history[-1]["val_loss"] for run in runs] for results in (whole, gone_on)]
    away = max(abs(a - b) / a for a, b in zip(*losses, strict=True))
    return away < ALONE, f"4 runs from update 3 of epoch 2: {'the same bits' if away == 0 else f'{away:.1e} relative'}"


def repeats(log: Log) -> None:
    """Check whether the same cohort, trained again in the same process, gives the same bits."""
    for model, typed in itertools.chain(
        (("mlp", "standard"), ("cnn", "standard"), ("rnn gru", "recurrent")), (("lm", "standard"), ("gcn", "drop_edge"))
    ):

        def twice(model: str = model, typed: str = typed) -> tuple[bool, str]:
            runs = seeded(made(model, typed), range(4))
            trained = []
            for _ in range(2):
                training = cohort(runs, log.device)
                steps(training, 20)
                trained.append(weights(training, 1))
            away = distance(*trained)
            return away < ALONE, "the same bits" if away == 0 else f"not the same bits: {away:.1e} relative"

        log.check(f"{model} / {typed}", twice)
