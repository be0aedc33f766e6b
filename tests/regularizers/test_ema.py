from __future__ import annotations

import pytest
import torch
from regularized import of, with_regularizers
from training import Trained, cohort_of, make_spec, weights_after_each_update


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9])
def test_what_is_tested_is_the_weighted_mean_of_the_weights_so_far(decay: float) -> None:
    spec = make_spec("mlp", epochs=2)  # of 5 updates each
    run = with_regularizers(spec, of("ema", decay))
    tested = Trained(run).weights[run.run_id]
    seen = weights_after_each_update(run)
    n = len(seen)
    assert n == 10
    shares = [(1 - decay) * decay ** (n - i) / (1 - decay**n) for i in range(1, n + 1)]
    assert sum(shares) == pytest.approx(1)
    for name, tensor in tested.items():
        expected = sum(share * w[name].double() for share, w in zip(shares, seen, strict=True))
        torch.testing.assert_close(tensor.double(), expected, rtol=1e-5, atol=1e-6)
    # The average is looked at and not trained with.
    plain = weights_after_each_update(spec)
    assert all(torch.equal(a[name], b[name]) for a, b in zip(seen, plain, strict=True) for name in a)


def test_running_statistics_are_averaged_like_weights() -> None:
    decay, spec = 0.8, make_spec("mlp", options={"batch_norm": "before_activation"}, epochs=1)
    run = with_regularizers(spec, of("ema", decay))
    training = cohort_of(run)
    seen: list[torch.Tensor] = []

    def see() -> None:
        buffers = dict(training.replicas.model.named_buffers())
        seen.append(next(b[0].clone() for name, b in buffers.items() if name.endswith("running_mean")))

    list(training.run(after_update=see))
    tested = Trained(run).weights[run.run_id]
    found = next(t for name, t in tested.items() if name.endswith("running_mean"))
    n = len(seen)
    expected = sum((1 - decay) * decay ** (n - i) / (1 - decay**n) * m for i, m in enumerate(seen, 1))
    torch.testing.assert_close(found, expected)
