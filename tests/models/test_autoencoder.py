"""The autoencoder: its shape and its sites."""

from __future__ import annotations

import torch
from model_kit import TABLES, Recorder, batch, built

from dropbench.planning.outline import outline
from dropbench.spec import Component


def test_decoder_mirrors_encoder() -> None:
    model = built("autoencoder", (0, 1), widths=[6, 5, 3])
    shapes = [tuple(p.shape[1:]) for name, p in model.named_parameters() if name.endswith("weight")]
    assert shapes == [(96, 6), (6, 5), (5, 3), (3, 5), (5, 6), (6, 96)]


def test_sites_in_order_and_their_readers() -> None:
    model, recorder = built("autoencoder", (0, 1), widths=[6, 5]), Recorder()
    x = batch("autoencoder", 2, 4)
    out = model(x, recorder)
    names = ["input", *(n for i in range(3) for n in (f"hidden.{i}.weight", f"hidden.{i}"))]
    usual = [s for s in model.sites if not s.asked]
    assert [s.name for s in usual] == names == [n for n, _ in recorder.seen]
    assert out.shape == x.shape
    parameters = dict(model.named_parameters())
    for site in usual:
        if site.kind == "activation":
            assert site.reader is not None and parameters[site.reader].shape[1] == site.shape[0]


def test_the_output_is_linear_and_starts_at_the_readouts_bias() -> None:
    class Zero(Recorder):
        def __call__(self, site: str, x: torch.Tensor) -> torch.Tensor:
            return x * 0

    model = built("autoencoder")
    with torch.no_grad():
        model.output.bias.normal_()
    assert torch.equal(model(batch("autoencoder"), Zero()), model.output.bias.expand(1, 4, 96))


def test_a_run_is_of_the_task_of_its_class() -> None:
    model = Component(name="autoencoder", _target_="dropbench.models.autoencoder.Autoencoder", options={"widths": [4]})
    assert outline(model, TABLES[2]).task == "reconstruct"
