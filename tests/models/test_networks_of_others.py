"""Networks of torchvision, timm and Hugging Face, as they are: their sites, and a run's first steps."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
import torch
from torch import Tensor
from training import made_table, make_spec

from dropbench.data.base import Table
from dropbench.data.views import Shape
from dropbench.engine.build import build
from dropbench.models.module import Module
from dropbench.planning.checks import check
from dropbench.planning.outline import Outline, outline
from dropbench.spec import RunSpec

HOST = "dropbench.models.module.Module"
IMAGES = made_table(40, (3, 32, 32), 4, "CHW")


def sentences(n: int = 40, steps: int = 6, vocabulary: int = 20) -> Table:
    x = torch.randint(
        1,
        vocabulary,
        (
            n,
            steps,
        ),
        generator=torch.Generator().manual_seed(0),
    )
    return Table("words", x, torch.arange(n) % 2, "T", 2, vocabulary=vocabulary)


def spec(target: str, variant: str = "standard", sites: list[str] | None = None, **args: Any) -> RunSpec:
    options = {"target": target, "args": args, "sites": sites}
    return make_spec(HOST, options=options, variant=variant, rate=0.3, batch_size=8, split={"n_train": 16})


def trained(run: RunSpec, table: Table) -> tuple[Outline, Tensor]:
    """What it is on these data, and the loss of its first step."""
    found = outline(run.model, table)
    assert check(run, table, found) is None
    assert not found.own_noise
    training = build([run], found, table, torch.device("cpu"))
    losses, _ = training.train_step(next(training.replicas.batches.epoch()), 1.0)
    assert bool(torch.isfinite(losses).all())
    return found, losses


def kinds(found: Outline) -> dict[str, set[str]]:
    return {kind: {s.name for s in found.sites if s.kind == kind} for kind in {s.kind for s in found.sites}}


def test_resnet18_has_no_dropout_and_takes_noise_behind_its_stages() -> None:
    found, _ = trained(spec("torchvision.models.resnet18", "spatial", ["layer[12]"]), IMAGES)
    assert kinds(found) == {"activation": {"input", "layer1", "layer2"}, "weight": {"fc.weight"}}
    assert {s.name: (s.shape, s.axes) for s in found.sites}["layer2"] == ((128, 4, 4), "CHW")
    assert found.view == "image" and found.batch_norm


TIMM = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="needs timm")
SMALL = {"img_size": 32, "embed_dim": 12}


@TIMM
@pytest.mark.parametrize("variant", ["standard", "attention", "stochastic_depth"])
def test_a_vision_transformer_of_timm(variant: str) -> None:
    """Its attention goes through a fused kernel that has a dropout of its own, unless it is told not to."""
    args = {**SMALL, "model_name": "vit_tiny_patch16_224", "patch_size": 8, "depth": 2, "drop_path_rate": 0.2}
    found, _ = trained(spec("timm.create_model", variant, **args), IMAGES)
    of = kinds(found)
    assert of["attention"] == {"blocks.0.attn.attn_drop", "blocks.1.attn.attn_drop"}
    assert of["branch"] == {"blocks.1.drop_path1", "blocks.1.drop_path2"}
    assert {"pos_drop", "head_drop", "blocks.0.mlp.drop1", "blocks.1.attn.proj_drop"} < of["activation"]
    shapes = {s.name: (s.shape, s.axes, s.own) for s in found.sites}
    assert shapes["pos_drop"] == ((17, 12), "TF", 0.0) and shapes["head_drop"] == ((12,), "F", 0.0)
    assert shapes["blocks.0.attn.attn_drop"] == ((3, 17, 17), "ATS", 0.0)
    assert shapes["blocks.1.drop_path2"] == ((17, 12), "TF", 0.2)


@TIMM
def test_an_mlp_mixer_of_timm() -> None:
    model = Module(
        Shape((3, 32, 32), "image"), 4, target="timm.create_model", args={"img_size": 32, "model_name": "mixer_s32_224"}
    )
    named = {s.name: s.shape for s in model.sites}
    assert named["blocks.0.mlp_tokens.drop1"] == (512, 256) and named["blocks.7.mlp_channels.drop2"] == (1, 512)
    assert named["head_drop"] == (512,)


@pytest.mark.parametrize("variant", ["standard", "locked", "weight_drop"])
def test_an_lstm_over_words(variant: str) -> None:
    found, _ = trained(spec("plain_networks.Words", variant), sentences())
    assert kinds(found)["activation"] == {"lstm", "drop"}
    assert kinds(found)["recurrent_weight"] == {"lstm.weight_hh_l0", "lstm.weight_hh_l1"}


@pytest.mark.parametrize("variant", ["standard", "attention"])
def test_torchs_own_transformer(variant: str) -> None:
    found, _ = trained(spec("plain_networks.Encoder", variant), sentences())
    assert kinds(found)["attention"] == {f"encoder.layers.{i}.self_attn" for i in range(2)}
    assert len(kinds(found)["activation"]) == 6


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="needs transformers")
@pytest.mark.filterwarnings("ignore")
def test_a_hugging_face_encoder() -> None:
    """Its attention drops by a function, which is off: its rate is read from a module that is never called."""
    found, _ = trained(spec("plain_networks.bert"), sentences())
    assert found.idle == ("bert.encoder.layer.0.attention.self.dropout",)
    assert {"dropout", "bert.embeddings.dropout"} < kinds(found)["activation"]
