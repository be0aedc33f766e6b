"""Values and files of the wrong form: a sentence each, and nothing is silently something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from specs_kit import planned
from terminal import TINY, dropbench

from dropbench.config.compose import composer
from dropbench.errors import UsageError
from dropbench.planning.plan import make


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("metric=[]", "metric=[] is an empty list"),
        ("metric=[loss,loss]", "metric=[loss,loss]: loss is listed twice"),
        ("metric.loss=1.5", "metric.loss=1.5: write metric=[loss] to measure it"),
        ("train.lr=1e309", "train.lr=inf: it must be a finite number"),
        ("train.lr=nan", "train.lr=nan: it must be a finite number"),
        ("dropout.rate=nan", "dropout.rate=nan: it must be a finite number"),
        ("dropout.rates={input:inf}", "dropout.rates.input=inf: it must be"),
        ("train.augment.rotation=nan", "train.augment.rotation=nan: it must be a finite number"),
        ("train.grad_clip=-inf", "train.grad_clip=-inf: it must be a finite number"),
        ("dropout=concrete dropout.length_scale=inf", "dropout.length_scale=inf: it must be a finite number"),
        ("train.epochs=1e30", "train.epochs=1e+30: it must be a whole number with fewer digits"),
        ("train.epochs=10000000000", "train.epochs=10000000000: it must be at most 1000000000"),
        ("train.batch_size=-3", "train.batch_size=-3: it must be above 0"),
        ("execute.threads=100000", "execute.threads=100000: it must be at most 1024"),
        ("execute.workers=100000", "execute.workers=100000: it must be at most 1024 or"),
        ("seed=[]", "seed=[]: it must be a whole number"),
        ("seed=1180591620717411303424", "seed=1180591620717411303424: it must be below"),
        (f"seed={'9' * 5000}", "cannot read"),
        ("model.widths=[]", "model.widths=[]: it must be of length 1 or more"),
        (f"model.widths={'[' * 100}{']' * 100}", "model.widths=... nests more than 20 brackets"),
        ("model.widths=[range(0,3)]", "model.widths=[range(0,3)]: a sweep such as range() cannot stand inside"),
        ("model.widths=[4,1000000000000]", "model=mlp would have "),
        ("train.augment=3", "train.augment=3: it must be a dict"),
        ("model.name=cnn", "model.name=cnn: the name and version of an option"),
        ("dropout.version=2", "dropout.version=2: the name and version of an option"),
        ("metric.loss.name=x", "metric.loss.name=x: the name and version of an option"),
        ("train=null", "train=null: there is no such train"),
    ],
)
def test_a_value_that_cannot_be(word: str, sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        planned("data=wine", *word.split())
    assert str(error.value).startswith(sentence), error.value


def test_no_study_is_a_study_left_out() -> None:
    assert planned("study=null", *TINY).study is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("seeds: [0, 1]\n", "'study.seeds' is not a key of a study, and no arm refers to it; did you mean 'seed'?"),
        ("quest: why\n", "'study.quest' is not a key of a study"),
        ("rate: 0.3\nhalf: {rate: '${half:${study.rate}}'}\n", "'study.rate' is not a key of a study"),
    ],
)
def test_a_key_of_a_study_that_nothing_reads(mine: Path, text: str, fault: str) -> None:
    file = mine / "study" / "pair.yaml"
    file.write_text(file.read_text() + text)
    with composer([mine]) as c, pytest.raises(UsageError) as error:
        make(["study=pair", *TINY], c)
    assert str(error.value).startswith(fault)


@pytest.mark.parametrize("reference", ["${study.strong.rate}", "${half:${study.strong.rate}}", "${...strong.rate}"])
@pytest.mark.parametrize("strong", ["{rate: 0.4}", "{rate: '${study.base}'}\nbase: 0.4"])
def test_a_key_of_a_study_that_an_arm_reads(mine: Path, reference: str, strong: str) -> None:
    (mine / "study" / "pair.yaml").write_text(
        f"baseline: without\nseed: 0\nstrong: {strong}\n"
        f"arms: {{without: {{dropout: none}}, with: {{dropout.rate: '{reference}'}}}}\n"
    )
    with composer([mine]) as c:
        rates = {s.dropout.rate for s in make(["study=pair", *TINY], c).specs}
    assert rates == {0, 0.2 if "half" in reference else 0.4}


@pytest.mark.parametrize(
    ("file", "text", "word", "sentence"),
    [
        ("model/odd.yaml", "_target_: my_model.Tiny\nname: other\n", "model=odd", "model=odd has the name other"),
        ("model/odd.yaml", "3\n", "model=odd", "Invalid loaded object type"),
        ("model/odd.yaml", "- 3\n", "model=odd", "model=[3]: it must hold keys"),
        ("model/odd.yaml", "", "model=odd", "model.name has no value"),
        (
            "metric/odd.yaml",
            "other:\n  _target_: my_metric.fail\n  name: other\n",
            "metric=[loss,odd]",
            "metric=odd: metric/odd.yaml",
        ),
        (
            "train/odd.yaml",
            "name: odd\nepoch: 3\n",
            "train=odd",
            "'train.epoch' is not a key here; did you mean 'train.epochs'?",
        ),
        (
            "study/odd.yaml",
            "baseline: a\narms: {a: {dropot.rate: 0.1}, b: {dropout: none}}\n",
            "study=odd",
            "study=odd, arm a: 'dropot.rate'",
        ),
        (
            "study/odd.yaml",
            "baseline: a\narms: {a: {model._target_: os.remove}, b: {seed: 1}}\n",
            "study=odd",
            "study=odd, arm a: model._target_",
        ),
        (
            "study/odd.yaml",
            "baseline: a\narms: {a: {dropout: none}, b: {study: pair}}\n",
            "study=odd",
            "study=odd, arm b: 'study' cannot be set in an arm",
        ),
        (
            "study/odd.yaml",
            "baseline: a\nseed: x(\narms: {a: {dropout: none}, b: {train.lr: 1}}\n",
            "study=odd",
            "study.seed=x(: cannot read",
        ),
        (
            "study/odd.yaml",
            "baseline: a\nseed: range(0,9999)\narms: {a: {dropout: none}, b: {train.lr: 1}}\n",
            "study=odd",
            "that is 19,998 runs",
        ),
    ],
)
def test_a_file_that_cannot_be(
    mine: Path, file: str, text: str, word: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (mine / file).parent.mkdir(exist_ok=True)
    (mine / file).write_text(text)
    words = [w for w in TINY if not w.startswith(f"{word.partition('=')[0]}.")]
    said = dropbench(capsys, "sweep", "--dry-run", *words, word, "--conf", str(mine))
    assert said.code == 2 and said.err.startswith(f"Error: {sentence}"), said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("word", ["model=größe", "model=größe,mlp", "metric=[loss,größe]"])
def test_an_option_may_be_called_in_any_letters(mine: Path, word: str) -> None:
    (mine / "model" / "größe.yaml").write_text("_target_: my_model.Tiny\nname: größe\n", encoding="utf-8")
    (mine / "metric" / "größe.yaml").write_text(
        "größe:\n  _target_: dropbench.metrics.brier.brier\n  name: größe\n", encoding="utf-8"
    )
    with composer([mine]) as c:
        plan = make([word, "data=wine"], c)
    assert any("größe" in (s.model.name, *s.metric) for s in plan.specs)


def test_a_file_that_is_no_text(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mine / "model" / "odd.yaml").write_bytes(b"\xff\xfe")
    said = dropbench(capsys, "sweep", "--dry-run", "model=odd", "--conf", str(mine))
    assert said.code == 2 and said.err.startswith("Error: model=odd: ") and "cannot be read" in said.err
    assert dropbench(capsys, "list", "--conf", str(mine)).code == 0
