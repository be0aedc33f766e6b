"""train.class_weights=balanced: each class counts the same in the training loss, and in nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from training import Trained, cohort_of, made_table, make_spec, mlp_scores, states_at

from dropbench import identity
from dropbench.data.base import Table
from dropbench.data.batch import Batch
from dropbench.engine.example_batches import class_weights_of, split_for
from dropbench.engine.objective import losses


def skewed(seed: int = 1) -> Table:
    """A table of which class 0 has two thirds."""
    table = made_table(240, seed=seed)
    y = torch.where(torch.arange(240) % 2 == 0, 0, table.y)
    return Table("skewed", table.x, y, "F", 3)


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_against_scikit_learn(labels: list[int]) -> None:
    found = class_weights_of(torch.tensor(labels), 6)
    there = np.unique(labels)
    theirs = compute_class_weight("balanced", classes=there, y=np.array(labels))
    assert found[there].tolist() == pytest.approx(theirs.tolist(), rel=1e-6)
    assert not found[[c for c in range(6) if c not in there]].any()
    assert float(found[labels].double().mean()) == pytest.approx(1, rel=1e-6)


def test_the_loss_is_that_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, y = torch.randn(2, 30, 4, generator=generator), torch.randint(0, 4, (2, 30), generator=generator)
    of_class = torch.tensor([0.2, 1.0, 3.0, 0.7])
    found = losses("classify", logits, Batch(logits, y, weight=of_class[y]), make_spec().train)
    for k in range(2):
        theirs = F.cross_entropy(logits[k], y[k], weight=of_class)
        assert found[k].item() == pytest.approx(theirs.item(), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_it_is_the_loss_of_a_batch_in_which_all_classes_are_as_frequent(smoothing: float) -> None:
    """Four examples of class 0 and two of class 1, the latter twice."""
    train = make_spec(label_smoothing=smoothing).train
    logits, y = torch.randn(1, 6, 2, generator=torch.Generator().manual_seed(1)), torch.tensor([[0, 0, 0, 0, 1, 1]])
    weighted = losses("classify", logits, Batch(logits, y, weight=class_weights_of(y[0], 2)[y]), train)
    again = [0, 1, 2, 3, 4, 5, 4, 5]
    repeated = losses("classify", logits[:, again], Batch(logits[:, again], y[:, again]), train)
    assert weighted.item() == pytest.approx(repeated.item(), rel=1e-6)


def test_each_replica_has_the_weights_of_its_own_training_labels() -> None:
    table = skewed()
    common = {"data": "skewed", "split": {"label_noise": 0.4}, "class_weights": "balanced"}
    specs = [make_spec(seed=seed, lr=lr, **common) for seed, lr in ((0, 0.01), (0, 0.1), (1, 0.01))]
    replicas = cohort_of(*specs, table=table).replicas
    batch = next(replicas.batches.epoch())
    assert batch.weight is not None
    for k, spec in enumerate(replicas.specs):
        labels = split_for(table, spec.data, spec.seed).labels.numpy()
        weights = compute_class_weight("balanced", classes=np.arange(3), y=labels)
        assert batch.weight[k].tolist() == pytest.approx(weights[batch.y[k].numpy()].tolist(), rel=1e-6)
        by_hand = F.cross_entropy(
            replicas.model(batch.x, replicas.noise)[k], batch.y[k], weight=torch.from_numpy(weights).float()
        )
        assert replicas.losses(batch)[k].item() == pytest.approx(by_hand.item(), rel=1e-5)
    assert replicas.seeds == [0, 1, 0]
    assert not torch.equal(batch.weight[0].unique(), batch.weight[1].unique())


def test_alone_in_a_stack_and_after_a_break_to_the_last_bit() -> None:
    """In a stack whose other members stop early, and that is cut to those that go on."""
    table = skewed()
    common = {"data": "skewed", "split": {"label_noise": 0.2}, "class_weights": "balanced", "epochs": 5, "patience": 1}
    specs = [make_spec(seed=s, rate=0.3, lr=0.05 if s else 0.003, **common) for s in range(4)]
    stack = Trained(*specs, table=table)
    for spec in specs:
        alone = Trained(spec, table=table)
        assert alone[spec].metrics == stack[spec].metrics
        for name, value in alone.weights[spec.run_id].items():
            assert torch.equal(value, stack.weights[spec.run_id][name]), name
    broken_off = Trained(*specs[:2], table=table, states=states_at(1, 2, *specs, table=table))
    assert broken_off[specs[0]].metrics == stack[specs[0]].metrics


def test_metrics_are_not_weighted() -> None:
    spec = make_spec(rate=0.2, split={"label_noise": 0.3}, class_weights="balanced")
    done = Trained(spec)
    for part in ("train", "val", "test"):
        for name, value in mlp_scores(done.weights[spec.run_id], spec, part).items():
            assert done[spec].metrics[f"{part}_{name}"] == pytest.approx(value, abs=1e-4)


def test_classes_of_one_size_are_trained_as_without() -> None:
    table = made_table(120)
    plain = make_spec(data="made", split={"n_train": 60})
    weighted = make_spec(data="made", split={"n_train": 60}, class_weights="balanced")
    assert plain.run_id != weighted.run_id
    a, b = Trained(plain, table=table)[plain].metrics, Trained(weighted, table=table)[weighted].metrics
    assert b == pytest.approx(a, rel=1e-4)


def test_a_rare_class_is_found_more_often() -> None:
    generator = np.random.default_rng(0)
    y = (np.arange(600) % 20 == 0).astype(np.int64)
    x = generator.normal(size=(600, 4)).astype(np.float32) + 0.8 * y[:, None].astype(np.float32)
    table = Table("rare", torch.from_numpy(x), torch.from_numpy(y), "F", 2)
    said = {}
    for weights in (None, "balanced"):
        spec = make_spec(data="rare", split={"n_train": 300}, class_weights=weights, epochs=5)
        done = cohort_of(spec, table=table)
        list(done.run())
        with torch.no_grad():
            done.replicas.noise.training = False
            batch = next(done.replicas.batches.part("test", 1024))
            said[weights] = int(done.replicas.model(batch.x, done.replicas.noise).argmax(-1).sum())
    assert said["balanced"] > said[None]


def test_it_is_part_of_the_id_and_off_it_is_not() -> None:
    plain = make_spec()
    assert plain.run_id != make_spec(class_weights="balanced").run_id
    config = plain.as_dict()
    del config["train"]["class_weights"]  # a record of before there was such a key
    assert identity.ids(config, plain.data_fingerprint, plain.sources)["run_id"] == plain.run_id
