"""Batches: every image once, normalisation, and augmentation that does what it says."""

from __future__ import annotations

import pytest
import torch

from tunetrack.spec.config import AugmentConfig
from tunetrack.training import ResidentData, Split
from tunetrack.training.batches import Normaliser, _warp, draw_affine, evaluation_batches, training_batches


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


def test_nothing_switched_on_changes_nothing() -> None:
    images = _split(5).images
    assert torch.allclose(_warp(images, draw_affine(AugmentConfig(), 5, _generator())), images.float(), atol=1e-3)


def test_flip_mirrors_about_half_of_the_images() -> None:
    images = _split(200).images
    warped = _warp(images, draw_affine(AugmentConfig(horizontal_flip=True), 200, _generator())).round().to(torch.uint8)
    kept = (warped == images).all(dim=(1, 2, 3))
    mirrored = (warped == images.flip(3)).all(dim=(1, 2, 3))
    assert bool((kept ^ mirrored).all())
    assert 70 <= int(mirrored.sum()) <= 130


def test_shift_moves_by_whole_pixels_and_fills_with_black() -> None:
    image = torch.full((1, 1, 4, 4), 100, dtype=torch.uint8)
    # From output to input: reading 0.5 to the right (a quarter of the side) moves the picture one pixel to the left.
    moved = _warp(image, torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]]))
    assert moved[0, 0, 0].tolist() == pytest.approx([100.0, 100.0, 100.0, 0.0])


def test_shift_stays_within_its_limit() -> None:
    affine = draw_affine(AugmentConfig(translation=0.25), 500, _generator())
    assert float(affine[:, :, 2].abs().max()) <= 0.5  # a side is 2 units
    assert float(affine[:, :, 2].abs().max()) > 0.45
    assert torch.equal(affine[:, :, :2], torch.eye(2).expand(500, 2, 2))


def test_rotation_is_a_rotation_within_its_limit() -> None:
    affine = draw_affine(AugmentConfig(rotation=30.0), 500, _generator())[:, :, :2]
    assert torch.allclose(affine @ affine.transpose(1, 2), torch.eye(2).expand(500, 2, 2), atol=1e-6)
    angles = torch.rad2deg(torch.atan2(affine[:, 0, 1], affine[:, 0, 0]))
    assert float(angles.abs().max()) <= 30.0 + 1e-3
    assert float(angles.min()) < -25.0
    assert float(angles.max()) > 25.0


def test_flip_rotation_and_shift_do_not_disturb_each_others_draws() -> None:
    both = draw_affine(AugmentConfig(horizontal_flip=True, rotation=20.0), 50, _generator())
    turned = draw_affine(AugmentConfig(rotation=20.0), 50, _generator())
    assert torch.equal(both[:, 1], turned[:, 1])
    assert torch.equal(both[:, 0].abs(), turned[:, 0].abs())


def test_augmentation_has_its_own_stream() -> None:
    split = _split(30)
    plain = [y for _, y in training_batches(split, 8, _generator(1), None, _generator(2))]
    augmented = [y for _, y in training_batches(split, 8, _generator(1), AugmentConfig(rotation=9.0), _generator(2))]
    assert torch.equal(torch.cat(plain), torch.cat(augmented))
