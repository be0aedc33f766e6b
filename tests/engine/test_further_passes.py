"""Further passes of an update: they leave batch norm's statistics, and what the first pass is to be differentiated by."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regularized import of, with_regularizers
from training import Trained, cohort_of, make_spec

CNN: dict[str, Any] = {"options": {"batch_norm": "before_activation"}, "variant": "standard", "rate": 0.3}


@pytest.mark.parametrize("name", ["r_drop", "multi_sample", "fgsm_training", "pgd_training", "sam"])
def test_the_running_statistics_are_those_of_the_first_pass(name: str) -> None:
    run = make_spec("cnn", seed=1, **CNN)
    trainings = [cohort_of(one) for one in (run, with_regularizers(run, of(name)))]
    for training in trainings:
        training.train_step(next(iter(training.replicas.batches.epoch(0))), 1.0)
    plain, passed = (dict(training.replicas.model.named_buffers()) for training in trainings)
    assert plain and all(torch.equal(plain[n], passed[n]) for n in plain)


@pytest.mark.parametrize("model", ["cnn", "resnet"])
@pytest.mark.parametrize("name", ["r_drop", "multi_sample", "fgsm_training", "jacobian"])
def test_the_first_pass_can_be_differentiated_after_the_others(model: str, name: str) -> None:
    given = CNN if model == "cnn" else {**CNN, "options": {}}
    run = with_regularizers(make_spec(model, seed=1, epochs=1, **given), of(name))
    assert Trained(run)[run].status == "completed"
