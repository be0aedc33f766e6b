"""The promise about bits on every model that a regularizer fits; `test_regularizer_contract.py` holds it to the first."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regularized import REGULARIZERS, of, off, with_regularizers
from training import Trained, differences, make_spec, table_of

from dropbench.planning.outline import outline
from dropbench.planning.regularizers import cannot, in_order
from dropbench.spec import RunSpec

MODELS: dict[str, dict[str, Any]] = {
    "cnn": {"batch_norm": "before_activation"},
    "rnn lstm": {},
    "rnn gru": {"cell": "gru", "hidden": 13},
    "resnet": {},
    "transformer": {},
}


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", REGULARIZERS)
def test_alone_as_in_company_and_at_no_strength_as_without(name: str, model: str) -> None:
    def arm(seed: int) -> RunSpec:
        return make_spec(model.split()[0], options=MODELS[model], variant="standard", rate=0.3, seed=seed, epochs=1)

    run, beside = with_regularizers(arm(3), of(name)), [with_regularizers(arm(seed), of(name)) for seed in (1, 4)]
    table = table_of(run)
    if reason := cannot(run, outline(run.model, table), table):
        pytest.skip(reason)
    assert not (found := differences(run, Trained(run), Trained(run, *beside))), found[:5]
    if in_order([of(name)])[0][1].twice:
        return
    silent = with_regularizers(arm(3), off(name))
    without, together = Trained(arm(3)).weights[arm(3).run_id], Trained(silent, *beside).weights[silent.run_id]
    assert [n for n, tensor in without.items() if not torch.equal(tensor, together[n])] == []
