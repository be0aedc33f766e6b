"""RandAugment against torchvision's, image by image, on bytes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regularized import of, with_regularizers
from step_kit import Sampled, given
from torch import Tensor
from training import cohort_of, made_table, make_spec

from dropbench.data import views
from dropbench.data._torchvision import kernels, torchvision
from dropbench.data.batch import Batch
from dropbench.data.operations import OPERATIONS
from dropbench.regularizers.randaugment import RandAugment

K, B, H, W = 3, 90, 9, 12


def v2() -> Any:
    torchvision()
    from torchvision.transforms import v2

    return v2


def images(channels: int) -> Tensor:
    """[K, B, C, H, W] of bytes, some of them of few values, where rounding is seen."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (K, B, channels, H, W), generator=generator, dtype=torch.uint8)
    x[:, ::3] = x[:, ::3] // 64 * 64
    x[:, 1::5] = x[:, 1::5, :1]
    return x


def theirs(image: Tensor, name: str, magnitude: int, negative: bool) -> Tensor:
    """What torchvision's transform does when it draws this operation and sign."""
    transform = v2().RandAugment(num_ops=1, magnitude=magnitude)
    numbers, signed = transform._AUGMENTATION_SPACE[name]
    table = numbers(31, *image.shape[-2:])
    number = 0.0 if table is None else float(table[magnitude]) * (-1 if signed and negative else 1)
    out: Tensor = transform._apply_image_or_video_transform(
        image, name, number, interpolation=transform.interpolation, fill=transform._fill
    )
    return out


def test_the_operations_are_torchvisions_in_its_order() -> None:
    assert list(OPERATIONS) == list(v2().RandAugment._AUGMENTATION_SPACE)
    for name, (_, signed) in v2().RandAugment._AUGMENTATION_SPACE.items():
        assert OPERATIONS[name].signed == signed


@pytest.mark.parametrize("magnitude", range(31))
@pytest.mark.parametrize("channels", [1, 3])
def test_each_operation_is_torchvisions_at_each_magnitude(channels: int, magnitude: int) -> None:
    x = images(channels)[0, :20]
    for name, operation in OPERATIONS.items():
        for negative in (False, True) if operation.signed else (False,):
            number = operation.number(magnitude, H, W) * (-1 if negative else 1)
            expected = torch.stack([theirs(one, name, magnitude, negative) for one in x])
            assert torch.equal(operation.apply(x, number), expected), (name, negative)


def test_between_two_whole_magnitudes_it_is_between() -> None:
    rotate = OPERATIONS["Rotate"]
    assert [rotate.number(m, H, W) for m in (9, 9.25, 10, 30)] == pytest.approx([9, 9.25, 10, 30])
    assert OPERATIONS["Posterize"].number(7.5, H, W) == 7


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("view", ["image", "flat", "sequence"])
def test_a_batch_is_torchvisions_example_by_example(channels: int, view: str) -> None:
    """In every view, normalised otherwise in each replica, at magnitudes of their own: 0, 9 and 22."""
    raw, strength, draws = images(channels), torch.tensor([0.0, 9.0, 22.0]), Sampled(K)
    shape = {"image": (channels, H, W), "flat": (channels * H * W,), "sequence": (H, channels * W)}[view]
    mean, deviation = torch.rand(2, K, 1, channels, 1, 1, generator=torch.Generator().manual_seed(1)).add(0.1).unbind(0)
    scale, shift = (
        views.apply(t.expand(-1, -1, channels, H, W), "CHW", view) for t in (1 / deviation, -mean / deviation)
    )

    def normalised(x: Tensor) -> Tensor:
        return torch.addcmul(shift, views.apply(x.float() / 255, "CHW", view), scale)

    batch = Batch(normalised(raw), torch.zeros(K, B, dtype=torch.int64), shift=shift, scale=scale)
    told = given(view=view, shape=shape, image=(channels, H, W))
    before = batch.x.clone()
    out = RandAugment(operations=2).examples(batch, strength, draws, told)
    (drawn,) = draws.drawn
    expected, met = raw.clone(), set()
    for k in (1, 2):
        for b in range(B):
            for turn in range(2):
                name = list(OPERATIONS)[int(drawn[k, 0, turn, b] * len(OPERATIONS))]
                met.add(name)
                expected[k, b] = theirs(expected[k, b], name, int(strength[k]), bool(drawn[k, 1, turn, b] <= 0.5))
    assert met == set(OPERATIONS) and bool((expected[1:] != raw[1:]).any())
    assert torch.equal(out.x, normalised(expected)) and torch.equal(out.x[0], before[0])
    assert torch.equal(batch.x, before)


def test_batches_tell_how_they_were_normalised() -> None:
    """What the engine hands over, brought back, are the images of the table: in each replica by its own seed."""
    table = made_table(400, (3, 6, 6), axes="CHW")
    table.x.copy_(torch.randint(0, 256, table.x.shape, generator=torch.Generator().manual_seed(0)).float() / 255)
    replicas = cohort_of(
        make_spec("cnn", seed=0, batch_size=20), make_spec("cnn", seed=1, batch_size=20), table=table
    ).replicas
    batch = next(iter(replicas.batches.part("train", 20)))
    assert batch.shift is not None and batch.scale is not None and not torch.equal(batch.shift[0], batch.shift[1])
    bytes_of = ((batch.x - batch.shift) / batch.scale * 255).round() / 255
    rows = replicas.batches.rows("train")[:, :20]
    assert torch.equal(bytes_of, table.x[rows])


def test_images_are_left_in_the_memory_order_that_they_have() -> None:
    run = with_regularizers(make_spec("cnn"), of("randaugment"))
    cohort = cohort_of(run)
    batch = next(iter(cohort.replicas.batches.epoch()))
    assert cohort.regularization.examples(batch).x.stride() == batch.x.stride()


def test_what_it_cannot_change_is_told() -> None:
    part = RandAugment()
    assert part.supports(given(image=(3, 8, 8))) is None
    assert "2 channels" in str(part.supports(given(image=(2, 8, 8))))
    assert "not images" in str(part.supports(given(image=None)))
    assert "reconstruction" in str(part.supports(given(image=(1, 8, 8), task="reconstruct")))


def test_kernels_do_not_know_their_company() -> None:
    """An image comes out the same whatever images it goes through a kernel with, and however many."""
    for channels in (1, 3):
        x = images(channels).flatten(0, 1)[:100]
        for operation in OPERATIONS.values():
            whole = operation.apply(x, operation.number(11, H, W))
            for n in (1, 7, 33):
                assert torch.equal(
                    torch.cat([operation.apply(some, operation.number(11, H, W)) for some in x.split(n)]), whole
                )
    assert kernels().__name__.startswith("torchvision")
