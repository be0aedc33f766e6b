"""A trained run as an ordinary module: it says of the test split what was stored of it, and knows what to do with new rows."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from kinds import bring_kinds
from torch import nn

import dropbench
from dropbench.config.compose import composer
from dropbench.config.source_hash import source_hash
from dropbench.data import text
from dropbench.data.base import Table
from dropbench.engine.trained import TrainedModel
from dropbench.errors import UsageError
from dropbench.execute.cohorts import cohorts
from dropbench.execute.loading import with_weights
from dropbench.execute.local import Stored, execute
from dropbench.planning.plan import Plan, make
from dropbench.planning.sources import load
from dropbench.store import Store
from dropbench.store.predictions import Predictions, read_predictions

Train = Callable[..., "Kept"]


class Kept:
    """A run that kept its weights, and its data."""

    def __init__(self, plan: Plan, stored: Stored, conf: Path) -> None:
        self.folder, self.record, self.conf = stored.folder, stored.record, conf
        self.table: Table = load(plan.specs[0].data, plan.settings)

    def model(self) -> TrainedModel:
        return dropbench.load_model(self.folder, conf=self.conf)

    @property
    def said(self) -> Predictions:
        said = read_predictions(self.folder)
        assert said is not None
        return said


@pytest.fixture
def train(mine: Path, tmp_path: Path) -> Iterator[Train]:
    conf = bring_kinds(mine)

    def train(*words: str) -> Kept:
        (one,) = train_all(*words)
        return one

    def train_all(*words: str) -> list[Kept]:
        usual = {"train.epochs": "2", "train.save": "best", "device": "cpu", "results": str(tmp_path / "results")}
        keys = {w.partition("=")[0] for w in words}
        with composer([conf]) as c:
            plan = make([*words, *(f"{k}={v}" for k, v in usual.items() if k not in keys)], c)
        groups = cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 1)
        ended = execute(groups, plan.settings, "cpu", 1, Store(plan.settings.results))
        return [Kept(plan, stored, conf) for stored in ended]

    train.all = train_all  # type: ignore[attr-defined]
    yield train


SMALL = {
    "mlp": ["model=mlp", "model.widths=[24,16]"],
    "cnn": ["model=cnn", "model.channels=[4,6]", "model.head_widths=[12]"],
    "rnn": ["model=rnn", "model.hidden=12", "model.embedding=5"],
    "resnet": ["model=resnet", "model.width=4"],
    "transformer": ["model=transformer", "model.width=12", "model.heads=2", "model.feedforward=10"],
    "gcn": ["model=gcn", "model.hidden=12"],
}
ENSEMBLE = [
    "regularizer=[snapshot_ensemble]",
    "regularizer.snapshot_ensemble.cycles=2",
    "regularizer.snapshot_ensemble.members=2",
    "train.lr=0.03",
    "train.schedule=cosine_restarts",
    "train.cycles=2",
]
CLASSIFIERS = [
    ("mlp", "wine", "dropout=standard", []),
    ("mlp", "digits", "dropout=standard", ["data.n_train=100"]),
    ("mlp", "digits", "dropout=none", ["data.n_train=100", "model.batch_norm=before_activation"]),
    ("mlp", "wine", "dropout=standard", ["train.precision=bf16"]),
    # Those that do something in evaluation too: weight scaling, moment matching, means of masks, learned rates.
    ("mlp", "wine", "dropout=classic", ["dropout/schedule=linear_up"]),
    ("mlp", "wine", "dropout=dropconnect", []),
    ("mlp", "wine", "dropout=standout", []),
    ("mlp", "wine", "dropout=concrete", []),
    ("mlp", "wine", "dropout=kingma", []),
    ("rnn", "digits", "dropout=zoneout", ["data.n_train=100"]),
    (
        "mlp",
        "wine",
        "dropout=[dropconnect,classic]",
        ["dropout.classic.rate=0.3", "dropout/classic/schedule=linear_up"],
    ),
    ("mlp", "wine", "dropout=[classic,concrete,kingma]", []),
    ("rnn", "digits", "dropout=[zoneout,classic]", ["data.n_train=100", "dropout.classic.placement=[input]"]),
    ("rnn", "digits", "dropout=standard", ["data.n_train=100", "model.cell=gru", "model.readout=mean"]),
    ("cnn", "digits", "dropout=spatial", ["data.n_train=100", "model.batch_norm=after_activation"]),
    ("cnn", "digits", "dropout=standard", ["data.n_train=100", "train.augment.flip=0.5"]),
    ("resnet", "digits", "dropout=stochastic_depth", ["data.n_train=100"]),
    ("mlp", "wine", "dropout=[classic,concrete]", ENSEMBLE),
    ("resnet", "digits", "dropout=none", ["data.n_train=100", *ENSEMBLE]),
    ("gcn", "nodes", "dropout=standard", ENSEMBLE),
    ("transformer", "digits", "dropout=attention", ["data.n_train=100"]),
    ("rnn", "sentences", "dropout=embedding", []),
    ("transformer", "sentences", "dropout=standard", []),
    ("gcn", "nodes", "dropout=drop_edge", []),
    ("gcn", "nodes", "dropout=standard", ["model.batch_norm=before_activation", "model.adjacency=dense"]),
]


def rows_of(table: Table, rows: Any) -> Any:
    """Raw rows as someone would have them: texts where words have names."""
    x = table.x[torch.as_tensor(rows)]
    if table.words is None:
        return x
    return [" ".join(table.words[w] for w in example if w) for example in x.tolist()]


@pytest.mark.parametrize(
    ("model", "data", "variant", "words"), CLASSIFIERS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_classifier_says_again_what_it_said(
    train: Train, model: str, data: str, variant: str, words: list[str]
) -> None:
    rate = [] if variant == "dropout=none" or "[" in variant else ["dropout.rate=0.4"]
    kept = train(*SMALL[model], f"data={data}", variant, *rate, *words)
    trained, said, metrics = kept.model(), kept.said, kept.record.metrics
    assert isinstance(trained, nn.Module) and not trained.training and trained.task == "classify"
    assert said.right is not None and said.classes is not None and said.log_probabilities is not None
    rows = rows_of(kept.table, said.rows)
    predicted, y = trained.predict(rows), kept.table.y[said.rows]
    assert torch.equal(predicted == y, torch.from_numpy(said.right))
    assert float((predicted == y).double().mean()) == metrics["test_accuracy"]
    chances = trained.probabilities(rows)
    assert float(F.nll_loss(chances.double().log(), y)) == pytest.approx(metrics["test_loss"], rel=1e-5)
    assert np.allclose(chances, said.probabilities, rtol=5e-3, atol=1e-6)
    # An ordinary module: tensors of a batch in, tensors of a batch out, and gradients for its parameters.
    x = trained.prepare(rows)
    assert torch.allclose(trained(x[:3]).softmax(-1), chances[:3], atol=1e-6)
    trained(x).sum().backward()
    assert all(p.grad is not None for p in trained.module.parameters() if p.requires_grad)
    assert len(trained.members) == (words[-len(ENSEMBLE) :] == ENSEMBLE)
    again = copy.deepcopy(trained)
    again.load_state_dict(trained.state_dict())
    assert torch.equal(again(x), trained(x))


def test_names_and_shapes_are_those_of_one_model(train: Train) -> None:
    kept = train("data=wine", "model=mlp", "model.widths=[24]")
    trained = kept.model()
    shapes = {name: tuple(t.shape) for name, t in trained.module.state_dict().items()}
    assert shapes == {
        "hidden.0.linear.weight": (13, 24),
        "hidden.0.linear.bias": (1, 24),
        "head.weight": (24, 3),
        "head.bias": (1, 3),
    }


def test_a_reconstruction_is_on_the_scale_of_the_rows(train: Train) -> None:
    kept = train("data=wine", "model=autoencoder", "model.widths=[24,12]", "metric=loss")
    trained, said = kept.model(), kept.said
    raw = kept.table.x[said.rows]
    again = trained.predict(raw)
    assert again.shape == raw.shape
    x = trained.prepare(raw)
    assert torch.allclose(trained.prepare(again), trained(x), atol=1e-5)
    loss = (trained(x).detach() - x).double().square().mean()
    assert float(loss) == pytest.approx(kept.record.metrics["test_loss"], rel=1e-5)
    with pytest.raises(UsageError, match="use predict"):
        trained.probabilities(raw)


@pytest.mark.parametrize("words", [["dropout=standard"], ["dropout=locked"], ["dropout=none", "model.tied=true"]])
def test_a_language_model_goes_on_with_a_text(train: Train, words: list[str]) -> None:
    rate = ["dropout.rate=0.4"] * (words[0] != "dropout=none")
    kept = train("data=running", "model=lm", "model.hidden=12", "metric=loss", "train.batch_size=4", *rate, *words)
    trained, table = kept.model(), kept.table
    assert table.test is not None and table.window is not None
    # As it was tested: columns side by side, the state carried from window to window.
    n = len(table.test)
    places, counted = text.fold_whole(n, text.evaluation_columns(n, table.window), table.window)
    x, y = (side[table.test - 1][places] for side in (table.x[:, 0], table.y))
    losses = [
        F.cross_entropy(trained(words, carry=i > 0).detach()[those], after[those], reduction="none")
        for i, (words, after, those) in enumerate(zip(x, y, counted, strict=True))
    ]
    assert float(torch.cat(losses).double().mean()) == pytest.approx(kept.record.metrics["test_loss"], rel=1e-5)
    chances = trained.probabilities(["a b c", "d"])
    assert chances.shape == (2, 10) and torch.equal(chances.argmax(-1), trained.predict(["a b c", "d"]))
    assert torch.allclose(chances[0], trained(torch.tensor([[2, 3, 4]]))[0, -1].softmax(-1))
    assert torch.equal(trained.probabilities(["a new word"])[0], trained.probabilities([[2, 1, 1]])[0])
    assert trained.probabilities([]).shape == (0, 10)
    with pytest.raises(UsageError, match="at least one word"):
        trained.predict([""])


@pytest.mark.parametrize("save", ["best", "last"])
def test_the_weights_are_those_that_were_asked_for(train: Train, save: str) -> None:
    words = ["data=wine", "model=mlp", "train.lr=0.05", "train.patience=3", "train.epochs=40"]
    kept = train(*words, f"train.save={save}")
    record, trained = kept.record, kept.model()
    assert record.chosen_epoch is not None and record.chosen_epoch < record.epochs_run
    assert trained.epoch == (record.chosen_epoch if save == "best" else record.epochs_run)
    chances = trained.probabilities(kept.table.x[kept.said.rows])
    again = np.allclose(chances, kept.said.probabilities, rtol=5e-3, atol=1e-6)
    assert again == (save == "best")


def test_weights_are_the_same_alone_and_in_company(train: Any) -> None:
    words = ["data=wine", "model=mlp", "model.widths=[8]", "seed=0,1", "dropout.rate=0.2,0.5"]
    for variant in ("standard,none", "concrete,none"):
        together, alone = (
            {
                k.record.run_id: k.folder
                for k in train.all(
                    *words, f"dropout={variant}", f"results={variant[:3]}{size}", f"execute.cohort={size}"
                )
            }
            for size in (9, 1)
        )
        assert together.keys() == alone.keys() and len(alone) == 6
        for run, folder in together.items():
            for name in ("weights.safetensors", "test.npz"):
                assert (folder / name).read_bytes() == (alone[run] / name).read_bytes()


def test_an_ensemble_of_a_users_own_class_says_again_what_it_said(train: Train) -> None:
    kept = train("data=wine", "model=tiny", "dropout=half", "dropout.rate=0.3", *ENSEMBLE)
    trained, said = kept.model(), kept.said
    assert [type(one) for one in trained.members] == [type(trained.module)]
    chances = trained.probabilities(kept.table.x[said.rows])
    assert np.allclose(chances, said.probabilities, rtol=5e-3, atol=1e-6)
    loss = F.nll_loss(chances.double().log(), kept.table.y[said.rows])
    assert float(loss) == pytest.approx(kept.record.metrics["test_loss"], rel=1e-5)


def test_a_users_own_class_comes_back_as_itself(train: Train) -> None:
    kept = train("data=wine", "model=tiny", "dropout=half", "dropout.rate=0.3")
    trained, said = kept.model(), kept.said
    assert type(trained.module).__name__ == "Tiny" and type(trained.module).__module__ == "my_model"
    predicted = trained.predict(kept.table.x[said.rows])
    assert torch.equal(predicted == kept.table.y[said.rows], torch.from_numpy(said.right))
    with pytest.raises(UsageError, match=r"has model=tiny, which is not an option here; give the folder .* conf=DIR"):
        dropbench.load_model(kept.folder)
    with pytest.raises(UsageError, match="there is no such folder"):
        dropbench.load_model(kept.folder, conf="nowhere")
    changed(kept.conf / "my_model.py", "tanh", "relu")
    with pytest.raises(UsageError, match=r"was made by other code of model=tiny \(my_model.Tiny\): the present code"):
        kept.model()


def test_what_a_record_says_of_a_class_is_not_believed(train: Train) -> None:
    kept = train("data=wine", "model=mlp", "model.widths=[4]")
    path = kept.folder / "record.json"
    path.write_text(path.read_text().replace("dropbench.models.mlp.MLP", "dropbench.cli.app.script"))
    assert type(kept.model().module).__name__ == "MLP"


def test_another_graph_is_not_taken_for_that_of_the_run(train: Train) -> None:
    kept = train(*SMALL["gcn"], "data=nodes", "dropout=none")
    changed(kept.conf / "my_kinds.py", ":90].sort", ":80].sort")
    with pytest.raises(UsageError, match="was made by other code of data=nodes"):
        kept.model()


def changed(file: Path, old: str, new: str) -> None:
    """An edit, seen by what reads sources, which it does once a process."""
    file.write_text(file.read_text().replace(old, new))
    source_hash.cache_clear()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "weights.safetensors").write_bytes(b"x" * 99), "not a tensor file of dropbench"),
        (lambda f: (f / "weights.safetensors").unlink(), "cannot be read: No such file"),
        (lambda f: (f / "record.json").unlink(), "cannot be loaded as a run: no record.json"),
        (lambda f: (f / "weights.safetensors").write_bytes(others()), "holds the weights of another run, someone"),
        (lambda f: (f / "weights.safetensors").write_bytes(others(f.name)), "does not fit model=mlp"),
    ],
)
def test_what_cannot_be_loaded_is_a_sentence(train: Train, spoil: Callable[[Path], Any], said: str) -> None:
    kept = train("data=wine", "model=mlp", "model.widths=[4]")
    spoil(kept.folder)
    with pytest.raises(UsageError, match=said):
        kept.model()


def test_a_folder_of_results_and_an_id_are_told_the_folder_of_a_run(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train("data=wine", "model=mlp", "model.widths=[4]").folder
    (tmp_path / "elsewhere").mkdir()
    run.parents[1].rename(tmp_path / "elsewhere" / "results")
    monkeypatch.chdir(tmp_path / "elsewhere")
    for given in (run.name, "results"):
        said = f"{given} cannot be loaded as a run: .*; give the folder of a run, such as results/runs/{run.name}$"
        with pytest.raises(UsageError, match=said):
            with_weights(given)


def others(run: str = "someone") -> bytes:
    from dropbench.store import tensors

    return tensors.dumped(
        {"head.weight": torch.ones(3)}, {"run_id": run, "shape": [13], "view": "flat", "edges": 0, "n_classes": 3}
    )


def test_a_run_without_weights_says_how_to_get_them(train: Train) -> None:
    kept = train("data=wine", "model=mlp", "train.save=null")
    assert kept.record.weights is None and not (kept.folder / "weights.safetensors").exists()
    with pytest.raises(UsageError, match=r"stored no weights: train it again with train\.save=best"):
        kept.model()


def test_new_rows_may_come_in_many_forms(train: Train) -> None:
    kept = train("data=wine", "model=mlp", "model.widths=[8]")
    trained, x = kept.model(), kept.table.x[:5]
    wanted = trained.probabilities(x)
    for rows in (x.numpy(), x.double(), x.tolist(), pd.DataFrame(x.numpy())):
        assert torch.equal(trained.probabilities(rows), wanted)
    for wrong, said in (
        (x[:, :4], r"have the shape \(5, 4\), but must have \(n, 13\)"),
        (x[0], r"must have \(n, 13\)"),
        (pd.DataFrame(x.numpy()).assign(a="b").iloc[:, 1:], "must contain only numbers"),
        ([[1, 2], [3]], "cannot be converted to one array"),
        (torch.cat([x, x[:1] * float("nan")]), "row 5 has no finite number at 0"),
    ):
        with pytest.raises(UsageError, match=said):
            trained.predict(wrong)


def test_images_may_be_bytes_and_grey_ones_without_a_channel(train: Train) -> None:
    kept = train("data=digits", "data.n_train=100", *SMALL["cnn"])
    trained = kept.model()
    pixels = (torch.arange(2 * 64).view(2, 1, 8, 8) % 256).to(torch.uint8)
    wanted = trained.probabilities(pixels.float() / 255)
    for rows in (pixels, pixels[:, 0], (pixels.float() / 255)[:, 0]):
        assert torch.allclose(trained.probabilities(rows), wanted, atol=1e-7)


def test_words_and_nodes_that_are_not_there_are_said(train: Train) -> None:
    words = train(*SMALL["rnn"], "data=sentences", "dropout=none").model()
    assert torch.equal(words.predict(["a b zebra"]), words.predict([[2, 3, 1]]))
    assert torch.equal(words.probabilities(["h h a b c d e f"]), words.probabilities(["a b c d e f"]))  # its end
    for wrong, said in (
        ("a b", "a list of texts"),
        ([[10]], "word numbers are whole numbers from 0 to 9"),
        ([[0.5]], "whole"),
    ):
        with pytest.raises(UsageError, match=said):
            words.predict(wrong)
    nodes = train(*SMALL["gcn"], "data=nodes", "dropout=none").model()
    assert words.predict([]).tolist() == nodes.predict([]).tolist() == []
    assert nodes.predict([3, 60]).shape == nodes.predict(torch.tensor([[3], [60]])).shape == (2,)
    with pytest.raises(UsageError, match="node numbers are whole numbers from 0 to 60"):
        nodes.predict([61])


def test_loading_leaves_torchs_generator_alone(train: Train) -> None:
    kept = train("data=wine", "model=tiny", "dropout=none")
    before = torch.random.get_rng_state()
    kept.model()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_importing_dropbench_imports_no_torch() -> None:
    code = "import sys, dropbench; dropbench.load_model; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
    with pytest.raises(AttributeError, match="has no attribute 'load_modle'"):
        dropbench.load_modle  # type: ignore[attr-defined]  # noqa: B018
