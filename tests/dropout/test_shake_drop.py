from __future__ import annotations

import pytest
import torch
from noise_kit import SITES, stack_noise
from training import Trained, assert_identical, make_spec

from dropbench.dropout.shake_drop import ShakeDrop

(RESIDUAL,) = (s for s in SITES if s.kind == "branch")


def test_forward_and_back_are_the_papers_rule_replica_by_replica() -> None:
    """y = (b + α - b α) F and dF = (b + β - b β) dy, with the numbers read off what comes out and goes back."""
    rates = [0.0, 0.5, 0.9]
    noise = stack_noise("shake_drop", RESIDUAL, rates, [7, 7, 7], 2000)
    x = torch.randn(3, 2000, *RESIDUAL.shape).requires_grad_()
    at = noise.at(RESIDUAL.name)
    assert at is not None
    out = at.act(x)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    forward = (out / x).detach().flatten(2)
    back = gradient.flatten(2)
    torch.testing.assert_close(forward, forward[:, :, :1].expand_as(forward), rtol=1e-3, atol=1e-3)
    assert torch.equal(back, back[:, :, :1].expand_as(back))
    forward, back = forward[:, :, 0], back[:, :, 0]
    kept = back == 1
    torch.testing.assert_close(forward[kept], torch.ones(int(kept.sum())))
    assert bool(kept[0].all())
    for k, rate in ((1, 0.5), (2, 0.9)):
        shaken, sent = forward[k][~kept[k]], back[k][~kept[k]]
        assert len(shaken) / 2000 == pytest.approx(rate, abs=0.05)
        for values, low in ((shaken, -1.0), (sent, 0.0)):
            share = ((values - low) / (1 - low)).sort().values
            uniform = (torch.arange(len(share)) + 0.5) / len(share)
            assert (
                float((share - uniform).abs().max()) < 1.9 / len(share) ** 0.5
            )  # Kolmogorov and Smirnov, one in a thousand
        assert abs(float(torch.corrcoef(torch.stack([shaken, sent]))[0, 1])) < 0.12
    # Arms of a seed share the numbers: what is shaken at both rates is shaken alike.
    both = ~kept[1] & ~kept[2]
    torch.testing.assert_close(forward[1][both], forward[2][both], rtol=1e-3, atol=1e-3)


def test_deeper_branches_are_shaken_more() -> None:
    assert ShakeDrop().site_rate(RESIDUAL, 0.5) == 0.5 * (RESIDUAL.depth or 0)
    assert ShakeDrop(decay="uniform").site_rate(RESIDUAL, 0.5) == 0.5


@pytest.mark.parametrize(
    ("model", "options"), [("resnet", {}), ("mlp", {"widths": [24, 24], "skip": True, "norm": "batch"})]
)
def test_runs_have_their_bits_in_any_stack(model: str, options: dict[str, object]) -> None:
    run, *others = (
        make_spec(model, options=options, variant="shake_drop", rate=rate, seed=seed, epochs=1, batch_size=50)
        for rate, seed in ((0.5, 3), (0.2, 3), (0.5, 0), (0.0, 5))
    )
    assert_identical(run, others[:1], others)


def test_a_batch_of_one_is_shaken_like_any() -> None:
    run = make_spec(
        "mlp", options={"widths": [6, 6], "skip": True}, variant="shake_drop", rate=0.5, epochs=1, batch_size=1
    )
    other = make_spec(
        "mlp", options={"widths": [6, 6], "skip": True}, variant="shake_drop", rate=0.2, epochs=1, batch_size=1
    )
    assert Trained(run, other)[run].metrics == Trained(run)[run].metrics
