"""Batches: every image once, normalisation, and augmentation that does what it says."""

from __future__ import annotations

import pytest
import torch

from tunetrack.spec.config import AugmentConfig, DataConfig
from tunetrack.training import ResidentData, Split
from tunetrack.training.batches import Normaliser, evaluation_batches, training_batches, validation_changes


def _split(count: int, side: int = 4) -> Split:
    images = torch.arange(count * side * side).view(count, 1, side, side) % 251
    return Split(images.to(torch.uint8), torch.arange(count))


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("batch_size", [1, 3, 10, 64])
def test_an_epoch_holds_every_image_once_with_its_label(batch_size: int) -> None:
    split = _split(10)
    batches = list(training_batches(split, batch_size, _generator(), None, _generator()))
    labels = torch.cat([label for _, label in batches])
    assert sorted(labels.tolist()) == list(range(10))
    assert torch.equal(torch.cat([images for images, _ in batches]), split.images[labels])
    assert all(len(label) == batch_size for _, label in batches[:-1])


def test_the_order_changes_from_epoch_to_epoch() -> None:
    generator = _generator()
    first, second = (
        torch.cat([y for _, y in training_batches(_split(50), 8, generator, None, _generator())]) for _ in range(2)
    )
    assert not torch.equal(first, second)


def test_evaluation_batches_keep_the_order() -> None:
    split = _split(1100)
    assert torch.equal(torch.cat([labels for _, labels in evaluation_batches(split)]), split.labels)


def test_normalised_training_images_have_mean_0_and_deviation_1(digits: ResidentData) -> None:
    images = Normaliser(digits)(digits.train.images)
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert float(images.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(images.std(correction=0)) == pytest.approx(1.0, abs=1e-5)


def test_augmentation_has_its_own_stream() -> None:
    split = _split(30)
    plain = [y for _, y in training_batches(split, 8, _generator(1), None, _generator(2))]
    augmented = [y for _, y in training_batches(split, 8, _generator(1), AugmentConfig(rotation=9.0), _generator(2))]
    assert torch.equal(torch.cat(plain), torch.cat(augmented))


def _seen(config: DataConfig) -> torch.Tensor:
    split = _split(300)
    changes = validation_changes(config, len(split), split.images.device)
    return torch.cat([images.float() for images, _ in evaluation_batches(split, changes)])


def test_validation_images_are_left_alone_unless_the_study_says_otherwise() -> None:
    turned = AugmentConfig(rotation=30.0)
    assert torch.equal(_seen(DataConfig(name="digits", augment=turned)), _split(300).images.float())
    changed = DataConfig(name="digits", augment=turned.model_copy(update={"validation": True}))
    assert not torch.allclose(_seen(changed), _split(300).images.float(), atol=1.0)
    assert torch.equal(_seen(changed), _seen(changed))
    assert not torch.equal(_seen(changed), _seen(changed.model_copy(update={"seed": 1})))


def test_volumes_become_float_channels_last() -> None:
    volumes = torch.randint(0, 256, (6, 2, 3, 4, 5), dtype=torch.uint8, generator=_generator())
    split = Split(volumes, torch.arange(6))
    data = ResidentData("volumes", split, split, split, ("a",), (0.5, 0.25), (0.5, 0.5), "0" * 16)
    assert data.input_shape == (2, 3, 4, 5)
    images = Normaliser(data)(volumes)
    assert images.is_contiguous(memory_format=torch.channels_last_3d)
    expected = (volumes / 255.0 - torch.tensor([0.5, 0.25]).view(1, 2, 1, 1, 1)) / 0.5
    assert torch.allclose(images, expected, atol=1e-6)
    labels = torch.cat([y for _, y in training_batches(split, 4, _generator(), None, _generator())])
    assert sorted(labels.tolist()) == list(range(6))
