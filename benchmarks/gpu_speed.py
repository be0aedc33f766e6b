"""Speed on a GPU, for `benchmarks.gpu`: stacks beside code written without dropbench, in one process.

All train the same network on the same 10,000 random images of 28 × 28, in batches of 128 with AdamW, and gather each batch from
the card's memory. Figures are steps of single runs per second; one step of a stack of K counts as K.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from benchmarks.gpu_log import Log
from benchmarks.gpu_runs import cohort, images, seeded
from benchmarks.specs import spec
from dropbench.engine import stack
from dropbench.engine.train import Training
from dropbench.execute.cohorts import Cohort, _rule
from dropbench.hardware.blas import use_threads
from dropbench.planning.outline import outline
from dropbench.spec import RunSpec

BATCH, CLASSES, RATE = 128, 10, 0.3
SIZES = (1, 4, 16, 64, 256, 1024)
BLOCKS = 5
SECONDS = 0.4
"""The approximate duration of one block."""


class GRUNet(nn.Module):
    """torch's own GRU over the rows of an image, dropout on its last state and a linear read-out."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.drop, self.head = nn.GRU(28, 128, batch_first=True), nn.Dropout(RATE), nn.Linear(128, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Map images x [B, 1, 28, 28] to logits."""
        out: Tensor = self.head(self.drop(self.gru(x.flatten(1, 2))[0][:, -1]))
        return out


def mlp() -> nn.Module:
    """Return a 784-256-256-10 network with dropout after both hidden layers."""
    hidden = [layer for i in (784, 256) for layer in (nn.Linear(i, 256), nn.ReLU(), nn.Dropout(RATE))]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(256, CLASSES))


def cnn() -> nn.Module:
    """Return a network with two convolutions that each halve the map, one dense layer, and dropout after each."""
    blocks = [
        layer
        for i, o in ((1, 16), (16, 32))
        for layer in (nn.Conv2d(i, o, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.Dropout(RATE))
    ]
    return nn.Sequential(
        *blocks, nn.Flatten(), nn.Linear(32 * 49, 64), nn.ReLU(), nn.Dropout(RATE), nn.Linear(64, CLASSES)
    )


@dataclass(frozen=True)
class Work:
    """A network: in plain PyTorch, and as dropbench's overrides."""

    name: str
    network: Callable[[], nn.Module]
    typed: tuple[str, ...]
    most: int = 256
    """The size of the largest stack that is tried."""


WORKS = (
    Work("mlp 256-256", mlp, ("model=mlp", "model.widths=[256,256]"), 1024),
    Work("cnn 16-32-64", cnn, ("model=cnn", "model.channels=[16,32]", "model.head_widths=[64]")),
    Work("gru 128", GRUNet, ("model=rnn", "model.cell=gru", "model.hidden=128")),
)


def speed(log: Log, work: Work) -> None:
    """Time all ways to train one network, and add their table to the report."""
    plain = _peers(log, work)
    rows: list[tuple[str, str, float, str]] = []
    for name, make in plain.items():
        if log.left() < 20 and not log.small:
            log.skipped(name)
            continue
        _measured(log, name, 1, make, rows)
    for k in (1, 4) if log.small else SIZES:
        for name, of_stack in (("dropbench", _stacked), ("torch.func.vmap", _vmapped)):
            if log.left() < 20 and not log.small:
                log.skipped(f"{name}, K = {k}")
                continue
            if k > (work.most if name == "dropbench" else 256):
                continue
            _measured(log, name, k, partial(of_stack, work, k, log.device), rows)
    reference = next((speed for name, _, speed, _ in rows if name == "PyTorch, fused AdamW"), float("nan"))
    table = [(name, k, f"{speed:,.0f}", f"{speed / reference:.2f}", memory) for name, k, speed, memory in rows]
    heads = ("how", "K", "steps of a run per second", "to PyTorch, fused AdamW", "peak memory, MB")
    after = f"Medians of {BLOCKS} blocks of about {SECONDS} s. {_saturates(rows)} {_chosen(work, log.device)}"
    log.table(f"{work.name}, batches of {BATCH}", heads, table, after)


def _saturates(rows: list[tuple[str, str, float, str]]) -> str:
    ours = [(int(k), speed) for name, k, speed, _ in rows if name == "dropbench"]
    if not ours:
        return ""
    best = max(speed for _, speed in ours)
    enough = min(k for k, speed in ours if speed > 0.9 * best)
    return f"dropbench reaches 90 % of its best ({best:,.0f}) at K = {enough}."


def _chosen(work: Work, device: torch.device) -> str:
    """Say how many runs `execute.cohort=auto` would stack on this card."""
    run = _run(work)
    rule, most = _rule(Cohort((run,), outline(run.model, images())), device.type, 1)
    return f"`execute.cohort=auto` would stack up to {rule} here (memory allows {most})."


def _run(work: Work) -> RunSpec:
    how = [f"train.batch_size={BATCH}", "train.optimizer=adamw", "train.weight_decay=0.01"]
    return spec(["data=digits", "dropout=standard", f"dropout.rate={RATE}", *how, *work.typed])


def _measured(
    log: Log, name: str, k: int, make: Callable[[], Callable[[], object]], rows: list[tuple[str, str, float, str]]
) -> None:
    """Time one way to train and add its figures. Errors are logged; dropbench's, except out of memory, count as failures."""
    try:
        cuda = log.device.type == "cuda"
        if cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        seconds = _median(make(), log.device)
        memory = f"{torch.cuda.max_memory_allocated() / 1e6:,.0f}" if cuda else "-"
        rows.append((name, str(k), k / seconds, memory))
        log.say(
            f"{name}, K = {k}: {1e3 * seconds:.3f} ms a step, {k / seconds:,.0f} steps of a run per second, {memory} MB"
        )
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        if name == "dropbench" and not isinstance(error, torch.cuda.OutOfMemoryError):
            log.found(f"{name}, K = {k}", False, told)
        else:
            log.say(f"{name}, K = {k}: not possible: {told}")


def _median(step: Callable[[], object], device: torch.device) -> float:
    """Return the median seconds of a step, after a warm-up."""
    for _ in range(3):
        step()
    _wait(device)
    began = time.perf_counter()
    step()
    _wait(device)
    seconds = 0.02 if device.type == "cpu" else SECONDS
    n = max(2, min(400, round(seconds / (time.perf_counter() - began))))
    blocks = []
    for _ in range(BLOCKS):
        began = time.perf_counter()
        for _ in range(n):
            step()
        _wait(device)
        blocks.append((time.perf_counter() - began) / n)
    return statistics.median(blocks)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _stacked(work: Work, k: int, device: torch.device) -> Callable[[], object]:
    """Return a step of dropbench on a stack with several rates per seed, as in a sweep: at least four, and at most 32 seeds."""
    each = max(4, k // 32)
    rates = [0.1 + 0.5 * i / each for i in range(each)]
    runs = [run for seed in range(-(-k // each)) for run in seeded(_run(work), [seed] * each, rates)][:k]
    training = cohort(runs, device, images())
    batches = _forever(training)
    return lambda: training.train_step(next(batches), 1.0)


def _forever(training: Training) -> Iterator[Any]:
    while True:
        stack.begin(training.replicas.model)
        yield from training.replicas.batches.epoch()


def _data(device: torch.device) -> tuple[Tensor, Tensor]:
    data = images()
    return ((data.x - data.x.mean()) / data.x.std()).to(device), data.y.to(device)


def _peers(log: Log, work: Work) -> dict[str, Callable[[], Callable[[], object]]]:
    """Return the ways to train one run at a time, by name."""
    device = log.device
    ways: dict[str, Callable[[], Callable[[], object]]] = {
        "PyTorch, AdamW": lambda: _plain(work, device, {}),
        "PyTorch, fused AdamW": lambda: _plain(work, device, {"fused": True}),
    }
    if device.type == "cuda":
        ways["PyTorch, CUDA graph of a step"] = lambda: _graphed(work, device)
    return ways


def _plain(work: Work, device: torch.device, how: dict[str, Any]) -> Callable[[], object]:
    network = work.network().to(device)
    return _loop(network, network.parameters(), device, how)


def _compiled(work: Work, device: torch.device) -> Callable[[], object]:
    network = work.network().to(device)
    return _loop(torch.compile(network, mode="reduce-overhead"), network.parameters(), device, {"fused": True})


def _loop(network: Any, parameters: Any, device: torch.device, how: dict[str, Any]) -> Callable[[], object]:
    x, y = _data(device)
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01, **how)
    batches = _batches(len(x), device)

    def step() -> Tensor:
        rows = next(batches)
        optimizer.zero_grad()
        loss: Tensor = nn.functional.cross_entropy(network(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def _batches(n: int, device: torch.device) -> Iterator[Tensor]:
    while True:
        yield from torch.randperm(n, device=device)[: n // BATCH * BATCH].split(BATCH)


def _graphed(work: Work, device: torch.device) -> Callable[[], object]:
    """Return a step that is recorded once as a CUDA graph and replayed, with the rows of each batch copied into place."""
    x, y = _data(device)
    network = work.network().to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01, capturable=True, fused=True)
    batches = _batches(len(x), device)
    rows = next(batches).clone()

    def forward_and_back() -> None:
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
        optimizer.step()

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            forward_and_back()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        forward_and_back()

    recorded = graph, forward_and_back  # keeps the graph's tensors alive, because the graph itself does not

    def step() -> None:
        rows.copy_(next(batches))
        recorded[0].replay()

    return step


def _vmapped(work: Work, k: int, device: torch.device) -> Callable[[], object]:
    """Return a step of K networks by `torch.func.vmap`, with up to 8 orders, masks of their own and one fused AdamW for all."""
    x, y = _data(device)
    networks = [work.network().to(device) for _ in range(k)]
    parameters, buffers = stack_module_state(networks)
    base = networks[0].to("meta")
    optimizer = torch.optim.AdamW(parameters.values(), lr=1e-3, weight_decay=0.01, fused=True)
    own = [_batches(len(x), device) for _ in range(min(k, 8))]

    def logits(p: dict[str, Tensor], b: dict[str, Tensor], x: Tensor) -> Any:
        return functional_call(base, (p, b), (x,))

    def step() -> Tensor:
        rows = torch.stack([next(one) for one in own])[torch.arange(k, device=device) % len(own)]
        optimizer.zero_grad()
        out = vmap(logits, randomness="different")(parameters, buffers, x[rows])
        loss: Tensor = nn.functional.cross_entropy(out.flatten(0, 1), y[rows].flatten(), reduction="none")
        (loss.sum() / BATCH).backward()
        optimizer.step()
        return loss.detach()

    return step


def compiled(log: Log) -> None:
    """Time the MLP with torch.compile and CUDA graphs; this section is last because compiling takes longest."""
    if log.small:  # on a CPU, torch.compile uses a different compiler
        log.skipped("for a CUDA card alone")
        return
    rows: list[tuple[str, str, float, str]] = []
    _measured(log, "PyTorch, fused AdamW", 1, lambda: _plain(WORKS[0], log.device, {"fused": True}), rows)
    _measured(log, 'PyTorch, torch.compile(mode="reduce-overhead")', 1, lambda: _compiled(WORKS[0], log.device), rows)
    _measured(log, "dropbench", 16, lambda: _stacked(WORKS[0], 16, log.device), rows)
    table = [(name, k, f"{speed:,.0f}", memory) for name, k, speed, memory in rows]
    log.table(f"{WORKS[0].name}: torch's compiler", ("how", "K", "steps of a run per second", "peak memory, MB"), table)


def on_cpu(log: Log) -> None:
    """Time the same MLP on one core of the machine's processor."""
    use_threads(1)
    work, rows = WORKS[0], list[tuple[str, ...]]()
    cpu = torch.device("cpu")
    ways: dict[tuple[str, int], Callable[[], Callable[[], object]]] = {
        ("PyTorch, fused AdamW", 1): lambda: _plain(work, cpu, {"fused": True})
    }
    for k in (1, 4) if log.small else (1, 4, 16):
        ways["dropbench", k] = partial(_stacked, work, k, cpu)
    for (name, k), make in ways.items():
        seconds = _median(make(), cpu)
        rows.append((name, str(k), f"{k / seconds:,.0f}"))
        log.say(f"{name} on one core, K = {k}: {k / seconds:,.0f} steps of a run per second")
    log.table(f"{work.name} on one core of the processor", ("how", "K", "steps of a run per second"), rows)


def tf32(log: Log) -> None:
    """Time stacks with TF32 in convolutions on, which is PyTorch's default, and off."""
    rows = []
    before = torch.backends.cudnn.allow_tf32
    for k in (1,) if log.small else (1, 16, 64):
        for on in (True, False):
            torch.backends.cudnn.allow_tf32 = on
            try:
                seconds = _median(_stacked(WORKS[1], k, log.device), log.device)
            finally:
                torch.backends.cudnn.allow_tf32 = before
            rows.append((str(k), "on" if on else "off", f"{k / seconds:,.0f}"))
            log.say(f"TF32 {rows[-1][1]}, K = {k}: {rows[-1][2]}")
    log.table(f"{WORKS[1].name}: TF32 in convolutions", ("K", "TF32", "steps of a run per second"), rows)
