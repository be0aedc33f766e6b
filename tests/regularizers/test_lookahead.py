from __future__ import annotations

import torch
from regularized import of, with_regularizers
from training import cohort_of, make_spec

from dropbench.regularizers.base import Tensors
from dropbench.regularizers.lookahead import Lookahead


def test_it_is_the_papers_algorithm_replica_by_replica() -> None:
    torch.manual_seed(0)
    alphas, k = torch.tensor([0.5, 1.0, 0.1]), 3
    weights = Tensors({"w": torch.randn(3, 4)})
    part = Lookahead(k=k)
    state = part.state(weights)
    fast, slow = weights["w"].clone(), weights["w"].clone()
    for update in range(1, 11):
        moved = torch.randn(3, 4)
        weights["w"].add_(moved)
        part.weights(weights, alphas, state, 0.0)
        fast = fast + moved
        if update % k == 0:
            slow = fast = torch.stack([s + float(a) * (f - s) for s, f, a in zip(slow, fast, alphas, strict=True)])
        torch.testing.assert_close(weights["w"], fast)


def test_batch_norms_statistics_are_not_its_business() -> None:
    spec = make_spec("mlp", options={"batch_norm": "before_activation"})
    regularization = cohort_of(with_regularizers(spec, of("lookahead"))).regularization
    names = {name for name, _ in regularization.filled()}
    assert "lookahead/hidden.0.norm.weight" in names and not any("running" in name for name in names)
