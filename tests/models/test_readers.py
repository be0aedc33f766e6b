"""What models tell of their sites: the parameter that reads one, and the function that it comes out of."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from model_kit import Recorder, batch, built

from dropbench.nn.activation import function

CASES: list[tuple[str, dict[str, Any]]] = [
    *((m, {"batch_norm": b}) for m in ("mlp", "cnn") for b in ("none", "before_activation", "after_dropout")),
    ("cnn", {"pooling": "avg", "head_widths": []}),
    ("realmlp", {}),
    ("resnet", {}),
    ("transformer", {}),
]


class Replace(Recorder):
    """Puts something else in a site's place."""

    def __init__(self, site: str) -> None:
        super().__init__()
        self.site = site

    def __call__(self, site: str, x: torch.Tensor) -> torch.Tensor:
        super().__call__(site, x)
        return torch.randn_like(x) if site == self.site else x


@pytest.mark.parametrize(("name", "options"), CASES)
def test_without_its_reader_a_site_is_not_read(name: str, options: dict[str, Any]) -> None:
    x = batch(name)
    sites = [s for s in built(name, **options).sites if s.reader is not None]
    assert sites or options.get("batch_norm") == "after_dropout"
    for site in sites:
        model = built(name, **options)
        assert not torch.equal(model(x, Recorder()), model(x, Replace(site.name)))
        with torch.no_grad():
            model.get_parameter(site.reader).zero_()
        assert torch.equal(model(x, Recorder()), model(x, Replace(site.name)))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_sites_after_a_relu_are_at_least_zero(name: str, options: dict[str, Any]) -> None:
    recorder = Recorder()
    model = built(name, **options)
    model(batch(name), recorder)
    seen = dict(recorder.seen)
    for site in model.sites:
        if site.follows is not None:
            lowest = function(site.follows)(torch.linspace(-5, 5, 1001)).min()
            assert float(seen[site.name].detach().min()) >= float(lowest) - 1e-3
