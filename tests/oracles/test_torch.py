"""torch's own layers: the same in distribution on tensors laid out as each expects, or another thing by that name."""

from __future__ import annotations

import pytest
import torch
from beside import MAPS, SEQUENCE, VECTOR, N, distance, fixed_input, ours
from noise_kit import stack_noise, theirs
from torch import Tensor, nn

from dropbench.sites import Site


def dropout1d(rate: float) -> nn.Module:
    """torch has channels before time."""

    class Transposed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Dropout1d(rate)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.layer(x.transpose(1, 2)).transpose(1, 2)
            return out

    return Transposed()


SAME = [
    ("standard", VECTOR, nn.Dropout),
    ("standard", SEQUENCE, nn.Dropout),
    ("standard", MAPS, nn.Dropout),
    ("spatial", SEQUENCE, dropout1d),
    ("spatial", MAPS, nn.Dropout2d),
    ("alpha", VECTOR, nn.AlphaDropout),
    ("alpha", MAPS, nn.AlphaDropout),
]


@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize(("variant", "at", "layer"), SAME, ids=lambda v: getattr(v, "axes", getattr(v, "__name__", v)))
def test_same_distribution(variant: str, at: Site, layer: type[nn.Module], rate: float) -> None:
    a, b = ours(variant, at, rate), theirs(layer(rate), fixed_input(at))
    assert distance(a, b) < 5
    for place in ((0,), (-1,)):  # Not only moments: the two values themselves, in the first place and in the last.
        first, second = (y.flatten(1)[:, place[0]].unique() for y in (a, b))
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("variant", "at", "layer"), SAME, ids=lambda v: getattr(v, "axes", getattr(v, "__name__", v)))
def test_both_are_the_identity_in_evaluation(variant: str, at: Site, layer: type[nn.Module]) -> None:
    x = fixed_input(at, 3)
    noise = stack_noise(variant, at, [0.5], [0], 3)
    noise.training = False
    assert torch.equal(noise(at.name, x[None])[0], x) and torch.equal(layer(0.5).eval()(x), x)


def test_dropout2d_on_three_axes_takes_steps_for_channels() -> None:
    """The trap: on [B, T, F] it warns of what it guesses, and drops whole steps. A site's axes leave nothing to guess."""
    with pytest.warns(UserWarning, match="3D input"):
        guessed = theirs(nn.Dropout2d(0.25), torch.ones(N, *SEQUENCE.shape))
    mine = ours("spatial", SEQUENCE, 0.25) / fixed_input(SEQUENCE)
    assert torch.equal(guessed, guessed[:, :, :1].expand_as(guessed)) and distance(guessed, mine) > 20
    # The same steps' masks as Dropout1d on that tensor, which is its right name.
    assert distance(guessed, theirs(nn.Dropout1d(0.25), torch.ones(N, *SEQUENCE.shape))) < 5


def test_feature_alpha_dropout_drops_whole_maps_and_alpha_does_not() -> None:
    """Elsewhere the two are one: on maps of one place they cannot be told apart."""
    whole = theirs(nn.FeatureAlphaDropout(0.25), fixed_input(MAPS))
    assert distance(ours("alpha", MAPS, 0.25), whole) > 20
    point = Site("x", "activation", (12, 1, 1), "CHW")
    assert distance(ours("alpha", point, 0.25), theirs(nn.FeatureAlphaDropout(0.25), fixed_input(point))) < 5


def test_lstms_dropout_acts_between_layers_and_never_on_the_recurrent_path() -> None:
    """`nn.LSTM(dropout=)` says so where there is one layer; with two, the first layer's states are left alone."""
    with pytest.warns(UserWarning, match="non-zero dropout expects num_layers greater than 1"):
        one = nn.LSTM(3, 5, dropout=0.9, batch_first=True)
    x = torch.ones(4, 6, 3)
    assert torch.equal(theirs(lambda t: one.train()(t)[0], x), one.eval()(x)[0])
