"""Batches: what a stack reads, and in what order."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import running, running_data
from training import CPU, Trained, cohort_of, made_table, make_spec, table_of

from dropbench.data import augment
from dropbench.data.base import Graph, Table
from dropbench.engine.batches import batches_for
from dropbench.engine.example_batches import ExampleBatches, split_for
from dropbench.engine.streams import RawDraws
from dropbench.engine.text_batches import TextBatches
from dropbench.spec import Augment, DataSpec, RunSpec


def batches_of(spec: RunSpec, seeds: list[int]) -> ExampleBatches:
    return ExampleBatches(table_of(spec), spec.data, "flat", spec.train.batch_size, spec.train.augment, seeds, CPU)


@given(n=st.integers(3, 60), size=st.integers(1, 20))
def test_an_epoch_has_each_example_once(n: int, size: int) -> None:
    table = made_table(100)
    data = DataSpec(name="made", _target_="none", n_train=n)
    batches = ExampleBatches(table, data, "flat", size, Augment(), [4], CPU)
    sizes = [b.x.shape[1] for b in batches.epoch()]
    assert sum(sizes) == n and max(sizes) <= size
    assert len(sizes) == batches.steps == -(-n // size)
    assert set(sizes[:-2]) <= {size}
    if size > 2 and n > size:
        assert min(sizes) > 1  # batch norm has no variance of one
    seen = Counter(tuple(x.tolist()) for b in batches.epoch() for x in b.x[0])
    assert sorted(seen.values()) == [1] * n
    assert seen == Counter(tuple(x.tolist()) for b in batches.part("train", 7) for x in b.x[0])


def test_epochs_differ_in_order_and_seeds_in_all() -> None:
    batches = batches_of(make_spec(batch_size=50), [1, 0, 1])
    first, second = (list(batches.epoch()) for _ in range(2))
    assert not torch.equal(first[0].y, second[0].y)
    assert torch.equal(first[0].x[0], first[0].x[2]) and torch.equal(first[0].y[0], first[0].y[2])
    assert not torch.equal(first[0].x[0], first[0].x[1])


@settings(max_examples=20)
@given(seeds=st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_a_replica_reads_what_it_would_read_alone(seeds: list[int]) -> None:
    spec = make_spec(batch_size=64, split={"label_noise": 0.3})
    together = batches_of(spec, seeds)
    alone = [batches_of(spec, [s]) for s in seeds]
    for _ in range(2):
        for batch, *each in zip(together.epoch(), *(a.epoch() for a in alone), strict=True):
            for k, one in enumerate(each):
                assert torch.equal(batch.x[k], one.x[0]) and torch.equal(batch.y[k], one.y[0])


def test_normalised_by_training_statistics_alone() -> None:
    spec = make_spec(data="wine", split={"n_train": None})
    table = table_of(spec)
    split = split_for(table, spec.data, 2)
    rows = table.x[split.train].double()
    mean, std = rows.mean(0), rows.std(0, correction=0)
    for part in ("train", "val", "test"):
        got = torch.cat([b.x for b in batches_of(spec, [2]).part(part, 50)], 1)[0]
        expected = (table.x[getattr(split, part)].double() - mean) / std
        torch.testing.assert_close(got.double(), expected, rtol=1e-4, atol=1e-4)


def test_validation_and_test_labels_stay_clean() -> None:
    noisy, clean = (batches_of(make_spec(split={"label_noise": f}), [3]) for f in (0.5, 0.0))
    for part in ("val", "test"):
        assert torch.equal(next(noisy.part(part, 2000)).y, next(clean.part(part, 2000)).y)
    changed = (next(noisy.part("train", 2000)).y != next(clean.part("train", 2000)).y).float().mean()
    assert 0.3 < float(changed) < 0.5  # half are replaced, and one in ten of those by itself


def test_arms_of_a_seed_share_split_noise_order_and_augmentation() -> None:
    settings = {"split": {"label_noise": 0.2}, "augment": {"crop": 1, "flip": 0.5}}
    arms = [
        make_spec("cnn", rate=r, lr=lr, seed=s, **settings)
        for r, lr, s in ((0.5, 0.01, 1), (0.1, 0.1, 1), (0.5, 0.02, 2))
    ]
    cohort = cohort_of(*arms)
    place = {spec.run_id: k for k, spec in enumerate(cohort.replicas.specs)}
    a, b, c = (place[s.run_id] for s in arms)
    for batch in cohort.replicas.batches.epoch():
        assert torch.equal(batch.x[a], batch.x[b]) and torch.equal(batch.y[a], batch.y[b])
        assert not torch.equal(batch.x[a], batch.x[c])


def test_a_common_split_seed_leaves_order_and_label_noise_to_each_run() -> None:
    data = make_spec(split={"split_seed": 7, "label_noise": 0.3}).data
    table = table_of(make_spec())
    one, other = split_for(table, data, 0), split_for(table, data, 1)
    for part in ("train", "val", "test"):
        assert torch.equal(getattr(one, part), getattr(other, part))
    assert not torch.equal(one.labels, other.labels)
    zero = data.model_copy(update={"split_seed": 0})
    assert torch.equal(split_for(table, zero, 5).test, split_for(table, zero, 6).test)
    assert not torch.equal(split_for(table, zero, 5).test, one.test)
    own = data.model_copy(update={"split_seed": None})
    assert not torch.equal(split_for(table, own, 5).test, split_for(table, own, 6).test)


def test_augmentation_draws_from_each_seeds_own_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[int]] = []
    monkeypatch.setattr(augment, "parameters", lambda setting, n, height, width, words: drawn.append(words(2).tolist()))
    monkeypatch.setattr(augment, "apply", lambda x, draws: x)
    spec = make_spec("cnn", batch_size=100, augment={"flip": 0.5})
    seeds = [4, 0]
    batches = ExampleBatches(table_of(spec), spec.data, "image", 100, spec.train.augment, seeds, CPU)
    list(batches.epoch())
    streams = {s: RawDraws(s, "augment")(4).tolist() for s in seeds}
    assert drawn == [streams[0][:2], streams[4][:2], streams[0][2:], streams[4][2:]]


def test_augmentation_changes_training_batches_only() -> None:
    on = make_spec("cnn", augment={"crop": 2, "flip": 0.5, "rotation": 15, "erase": 0.5})
    off = make_spec("cnn")
    one, other = cohort_of(on).replicas.batches, cohort_of(off).replicas.batches
    assert not torch.equal(next(one.epoch()).x, next(other.epoch()).x)
    for part in ("train", "val", "test"):
        assert torch.equal(next(one.part(part, 100)).x, next(other.part(part, 100)).x)


def test_augmentation_of_nothing_is_the_identity() -> None:
    """The path through the kernels, with chances of zero, against the path without."""

    class Idle(Augment):
        def __bool__(self) -> bool:
            return True

    spec = make_spec("cnn")
    one, other = (
        ExampleBatches(table_of(spec), spec.data, "image", 32, augment, [3, 1], CPU) for augment in (Idle(), Augment())
    )
    for a, b in zip(one.epoch(), other.epoch(), strict=True):
        assert torch.equal(a.x, b.x) and torch.equal(a.y, b.y)


@pytest.mark.parametrize("model", ["mlp", "cnn", "user_models.Small"])
def test_a_last_example_by_itself_trains_under_batch_norm(model: str) -> None:
    """97 = 3 * 32 + 1."""
    options = {} if "." in model else {"batch_norm": "before_activation"}
    spec = make_spec(model, options=options, split={"n_train": 97})
    assert Trained(spec)[spec].status == "completed"


def numbers(axes: str, n: int = 30) -> Table:
    """Examples that tell who they are: texts [n, 4] that open with their row number, or nodes."""
    x = torch.arange(n)[:, None]
    x = torch.cat((x, torch.zeros(n, 3, dtype=torch.int64)), 1) if axes == "T" else x
    graph = Graph(torch.zeros(n, 2), torch.tensor([[0], [1]])) if axes == "N" else None
    return Table("numbers", x, torch.arange(n) % 2, axes, 2, vocabulary=n, graph=graph, window=1)


@pytest.mark.parametrize(("axes", "view", "tail"), [("T", "tokens", (4,)), ("N", "graph", ())])
def test_numbers_to_look_up_come_as_they_are(axes: str, view: str, tail: tuple[int, ...]) -> None:
    table, data = numbers(axes), DataSpec(name="numbers", _target_="none", label_noise=0.5)
    batches = batches_for(table, data, view, 8, Augment(), [3, 1, 3], CPU)
    assert isinstance(batches, ExampleBatches)
    split = {seed: split_for(table, data, seed) for seed in (1, 3)}
    for part in ("train", "val", "test"):
        x, y = (torch.cat(side, 1) for side in zip(*((b.x, b.y) for b in batches.part(part, 5)), strict=True))
        assert x.dtype == torch.int64 and x.shape == (3, y.shape[1], *tail)
        for k, seed in enumerate((3, 1, 3)):
            rows = getattr(split[seed], part)
            assert torch.equal(x[k], table.x[rows].view(len(rows), *tail))
            assert torch.equal(y[k], split[seed].labels if part == "train" else table.y[rows])
    left = batches.narrowed(torch.tensor([2]))
    seen = torch.cat([b.x[0] for b in left.epoch()])
    assert left.part_sizes() == batches.part_sizes()
    assert torch.equal(seen.reshape(len(seen), -1)[:, 0].sort().values, split[3].train.sort().values)


def test_running_text_has_batches_of_its_own() -> None:
    made = batches_for(running(20, 10, 10, 3), running_data(), "text", 2, Augment(), [0], CPU)
    assert isinstance(made, TextBatches)


def test_augmentation_goes_on_where_it_was_when_the_stack_narrows() -> None:
    spec = make_spec("cnn", batch_size=50, augment={"crop": 2, "flip": 0.5})
    whole, other = (
        ExampleBatches(table_of(spec), spec.data, "image", 50, spec.train.augment, [3, 1, 2], CPU) for _ in range(2)
    )
    list(whole.epoch())
    list(other.epoch())
    kept = torch.tensor([2, 0])
    for a, b in zip(whole.epoch(), other.narrowed(kept).epoch(), strict=True):
        assert torch.equal(a.x[kept], b.x) and torch.equal(a.y[kept], b.y)
