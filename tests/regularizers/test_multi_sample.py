from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from regularized import of, with_regularizers
from step_kit import ByHand, Sampled
from torch import Tensor
from training import Trained, assert_identical, cohort_of, differences, make_spec, states_at

from dropbench.data.batch import Batch
from dropbench.dropout.standard import Standard
from dropbench.engine.site_noise import SiteNoise
from dropbench.engine.step import Update
from dropbench.regularizers.multi_sample import MultiSample
from dropbench.spec import RunSpec

K, B = 4, 9
NUMBERS = torch.Generator().manual_seed(5)
X, Y = torch.randn(K, B, 6, generator=NUMBERS), torch.randint(3, (K, B), generator=NUMBERS)
W = torch.randn(K, 6, 3, generator=NUMBERS)
MASKS = torch.rand(4, K, B, 6, generator=NUMBERS).round() * 2


def test_it_is_the_mean_of_the_losses_of_so_many_masks() -> None:
    """Of 1, 2, 3 (2.6 of a schedule) and 4, replica by replica; its gradient is the mean of theirs."""
    weights = W.clone().requires_grad_()
    first, *others = ((lambda x, m=m: (x * m) @ weights) for m in MASKS)
    step = ByHand(Batch(X, Y), first, others=tuple(others))
    strengths = torch.tensor([1, 2, 2.6, 4])
    loss = MultiSample().loss(step, step.losses(step.output, step.batch), strengths, Sampled(K))
    (gradient,) = torch.autograd.grad(loss.sum(), weights)
    own = W.clone().requires_grad_()
    for k, samples in enumerate((1, 2, 3, 4)):
        single = [F.cross_entropy((X[k] * m[k]) @ own[k], Y[k]) for m in MASKS[:samples]]
        torch.testing.assert_close(loss[k], torch.stack(single).mean())
        (expected,) = torch.autograd.grad(torch.stack(single).mean(), own)
        torch.testing.assert_close(gradient[k], expected[k])


def run_of(samples: int, seed: int = 3, schedule: str | None = None, **more: object) -> RunSpec:
    run = make_spec("mlp", variant="standard", rate=0.4, seed=seed, epochs=3, **more)  # type: ignore[arg-type]
    return with_regularizers(run, of("multi_sample", samples, schedule))


def test_it_is_inoues_network_where_dropout_is_before_the_last_layer_alone() -> None:
    """What comes before is computed once, here by hand, and its gradient is that of all samples together."""
    options = {"widths": [11, 7]}
    run = run_of(4, optimizer="sgd", momentum=0.0, lr=1.0, batch_size=20, options=options)
    run = run.model_copy(update={"dropout": run.dropout.model_copy(update={"placement": ("hidden.1",)})})
    cohort = cohort_of(run)
    before = {name: p.detach()[0].clone().requires_grad_() for name, p in cohort.replicas.model.named_parameters()}
    site = next(s for s in cohort.replicas.outline.sites if s.name == "hidden.1")
    batch = next(iter(cohort.replicas.batches.epoch()))
    cohort.train_step(batch, 1.0)

    def layer(x: Tensor, name: str) -> Tensor:
        return x @ before[f"{name}.weight"] + before[f"{name}.bias"][0]

    names = list(before)
    first, second, head = (n.removesuffix(".weight") for n in names if n.endswith("weight"))
    features = layer(layer(batch.x[0], first).relu(), second).relu()
    losses = []
    for opening in ("mask", "fresh", "fresh2", "fresh3"):
        noise = SiteNoise(Standard(), site, [0.4], [3], 20, torch.device("cpu"), opening)
        losses.append(F.cross_entropy(layer(features * noise.mask(20, torch.float32)[0], head), batch.y[0]))
    assert len({loss.item() for loss in losses}) == 4
    gradients = torch.autograd.grad(torch.stack(losses).mean(), list(before.values()))
    for (name, old), gradient in zip(before.items(), gradients, strict=True):
        now = dict(cohort.replicas.model.named_parameters())[name].detach()[0]
        torch.testing.assert_close(now, old.detach() - gradient, rtol=1e-4, atol=1e-6)


def test_runs_of_other_numbers_and_schedules_leave_one_its_bits() -> None:
    for run in (run_of(2), run_of(4, schedule="linear_up")):
        company = [run_of(5), run_of(3, seed=1), run_of(6, seed=1, schedule="linear_down"), run_of(2, seed=7)]
        assert_identical(run, company[:1], company)


def test_it_goes_on_in_other_company_than_it_began_in() -> None:
    run, more = run_of(2), run_of(5)
    for states in (states_at(2, 3, run) | states_at(2, 3, more), states_at(2, 3, run, more)):
        assert not (found := differences(run, Trained(run), Trained(run, more, states=states))), found[:3]
        assert not differences(more, Trained(more), Trained(run, more, states=states))


@pytest.mark.parametrize(("samples", "passes"), [(2, 2), (4, 4)])
def test_r_drop_beside_it_compares_two_of_its_passes(samples: int, passes: int) -> None:
    run = run_of(samples)
    cohort = cohort_of(with_regularizers(run, *run.regularizers, of("r_drop")))
    seen: list[object] = []
    cohort.replicas.model.register_forward_hook(lambda *given: seen.append(given))
    Update(cohort.replicas, cohort.regularization, next(iter(cohort.replicas.batches.epoch()))).close()
    assert len(seen) == passes
