"""NEFTune beside its formula: the noise of each number, its size, and where it comes in."""

from __future__ import annotations

import torch
from regularized import of, with_regularizers
from texts import running_text
from training import cohort_of, make_spec

from dropbench.engine.draws import OwnDraws
from dropbench.engine.step import Update

TEXT = running_text(words=13, window=4, train=200, val=50, test=50)


def test_it_adds_the_noise_of_the_paper_to_embedded_words_in_training_alone() -> None:
    run = make_spec("lm", data="ptb", split={"n_train": None}, batch_size=7)
    noisy = cohort_of(with_regularizers(run, of("embedding_noise", 5.0)), table=TEXT)
    seen: list[torch.Tensor] = []

    def see(site: str, x: torch.Tensor) -> torch.Tensor:
        if site == "embedded":
            seen.append(x.detach().clone())
        return x

    replicas = noisy.replicas
    batch = next(iter(replicas.batches.epoch()))
    object.__setattr__(replicas, "noise", replicas.noise.edited(see))
    Update(replicas, noisy.regularization, batch)
    replicas.model(batch.x, replicas.noise)
    with_noise, without = seen
    steps, features = without.shape[2:]
    drawn = OwnDraws([run.seed], "regularizer/embedding_noise", torch.device("cpu")).uniform(tuple(without.shape[1:]))
    expected = without + 5.0 / (steps * features) ** 0.5 * (2 * drawn - 1)
    torch.testing.assert_close(with_noise, expected)
    assert (with_noise - without).abs().max() <= 5.0 / (steps * features) ** 0.5
