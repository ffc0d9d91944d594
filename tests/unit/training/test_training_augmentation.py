"""Random changes to images: each does what it says, within its limit, and leaves the draws of the others alone."""

from __future__ import annotations

import pytest
import torch

from tunetrack.spec.config import AugmentConfig
from tunetrack.training.augmentation import Changes, _erase, _warp, affine_maps, draw_changes


def _images(count: int, side: int = 4, channels: int = 1) -> torch.Tensor:
    size = channels * side * side
    return (torch.arange(count * size).view(count, channels, side, side) % 251).to(torch.uint8)


def _changes(count: int, seed: int = 0, **config: float) -> Changes:
    return draw_changes(AugmentConfig.model_validate(config), count, torch.Generator().manual_seed(seed))


def _maps(count: int, **config: float) -> torch.Tensor:
    affine = _changes(count, **config).affine
    assert affine is not None
    return affine


def test_nothing_switched_on_changes_nothing() -> None:
    images = _images(5)
    changed = _changes(5).apply(images, 0)
    assert changed.dtype == torch.float32
    assert torch.equal(changed, images.float())
    still = affine_maps(AugmentConfig(), torch.rand(4, 5))
    assert torch.allclose(_warp(images.float(), still), images.float(), atol=1e-3)


def test_flip_mirrors_about_half_of_the_images() -> None:
    images = _images(200)
    warped = _changes(200, horizontal_flip=True).apply(images, 0).round().to(torch.uint8)
    kept = (warped == images).all(dim=(1, 2, 3))
    mirrored = (warped == images.flip(3)).all(dim=(1, 2, 3))
    assert bool((kept ^ mirrored).all())
    assert 70 <= int(mirrored.sum()) <= 130


def test_shift_moves_by_whole_pixels_and_fills_with_black() -> None:
    image = torch.full((1, 1, 4, 4), 100.0)
    # From output to input: reading 0.5 to the right (a quarter of the side) moves the picture one pixel to the left.
    moved = _warp(image, torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]]))
    assert moved[0, 0, 0].tolist() == pytest.approx([100.0, 100.0, 100.0, 0.0])


def test_shift_stays_within_its_limit() -> None:
    affine = _maps(500, translation=0.25)
    assert float(affine[:, :, 2].abs().max()) <= 0.5  # a side is 2 units
    assert float(affine[:, :, 2].abs().max()) > 0.45
    assert torch.equal(affine[:, :, :2], torch.eye(2).expand(500, 2, 2))


def test_rotation_is_a_rotation_within_its_limit() -> None:
    affine = _maps(500, rotation=30.0)[:, :, :2]
    assert torch.allclose(affine @ affine.transpose(1, 2), torch.eye(2).expand(500, 2, 2), atol=1e-6)
    angles = torch.rad2deg(torch.atan2(affine[:, 0, 1], affine[:, 0, 0]))
    assert float(angles.abs().max()) <= 30.0 + 1e-3
    assert float(angles.min()) < -25.0
    assert float(angles.max()) > 25.0


def test_brightness_is_one_factor_an_image_and_never_leaves_the_scale() -> None:
    images = torch.full((300, 3, 2, 2), 100, dtype=torch.uint8)
    changed = _changes(300, brightness=0.5).apply(images, 0)
    assert torch.equal(changed, changed[:, :1, :1, :1].expand_as(changed))
    factors = changed[:, 0, 0, 0] / 100.0
    assert 0.5 <= float(factors.min()) < 0.55
    assert 1.45 < float(factors.max()) <= 1.5
    assert float(_changes(50, brightness=1.0).apply(torch.full((50, 1, 2, 2), 255), 0).max()) == 255.0


def test_contrast_keeps_the_mean_and_changes_the_spread() -> None:
    images = torch.tensor([100, 140], dtype=torch.uint8).view(1, 1, 1, 2).expand(300, 1, 1, 2)
    changed = _changes(300, contrast=0.5).apply(images, 0)
    assert torch.allclose(changed.mean(dim=(1, 2, 3)), torch.tensor(120.0), atol=1e-4)
    factors = (changed[:, 0, 0, 1] - changed[:, 0, 0, 0]) / 40.0
    assert 0.5 - 1e-5 <= float(factors.min()) < 0.55
    assert 1.45 < float(factors.max()) <= 1.5 + 1e-5


@pytest.mark.parametrize(("erase", "side"), [(0.25, 2), (0.5, 4), (0.01, 1), (0.9, 7)])
def test_erase_blackens_one_square_that_gets_everywhere(erase: float, side: int) -> None:
    images = torch.full((400, 2, 8, 8), 9, dtype=torch.uint8)
    black = _changes(400, erase=erase).apply(images, 0) == 0.0
    assert torch.equal(black[:, 0], black[:, 1])
    assert bool((black[:, 0].sum(dim=(1, 2)) == side * side).all())
    assert bool((black[:, 0].any(dim=1).sum(dim=1) == side).all())  # as wide as high
    assert bool(black[:, 0].any(dim=0).all())


def test_a_draw_next_to_one_keeps_the_square_inside() -> None:
    almost = torch.full((1, 2), float(torch.nextafter(torch.tensor(1.0), torch.tensor(0.0))))
    assert int((_erase(torch.ones(1, 1, 1000, 1000), almost, 0.1) == 0.0).sum()) == 100 * 100


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"rotation": 20.0}, {"horizontal_flip": True}),
        ({"rotation": 20.0}, {"brightness": 0.3, "contrast": 0.2, "erase": 0.3}),
        ({"brightness": 0.3}, {"rotation": 20.0, "erase": 0.3}),
        ({"erase": 0.3}, {"translation": 0.1, "contrast": 0.5}),
    ],
)
def test_switching_one_change_on_does_not_alter_the_others(one: dict[str, float], other: dict[str, float]) -> None:
    generators = [torch.Generator().manual_seed(1) for _ in range(2)]
    alone = draw_changes(AugmentConfig.model_validate(one), 50, generators[0])
    both = draw_changes(AugmentConfig.model_validate(one | other), 50, generators[1])
    for part in ("brightness", "contrast", "corner"):
        if getattr(alone, part) is not None:
            assert torch.equal(getattr(alone, part), getattr(both, part))
    if alone.affine is not None and both.affine is not None:
        assert torch.equal(alone.affine[:, 1], both.affine[:, 1])
        assert torch.equal(alone.affine[:, 0].abs(), both.affine[:, 0].abs())
    assert torch.equal(generators[0].get_state(), generators[1].get_state())


def test_batches_take_their_own_part_of_the_changes() -> None:
    images = _images(10, side=8)
    changes = _changes(10, rotation=40.0, brightness=0.5, contrast=0.5, erase=0.3)
    whole = changes.apply(images, 0)
    parts = [changes.apply(images[start : start + 4], start) for start in range(0, 10, 4)]
    assert torch.allclose(torch.cat(parts), whole, atol=1e-4)


def test_brightness_and_contrast_work_on_volumes() -> None:
    volumes = torch.full((2, 1, 3, 3, 3), 100, dtype=torch.uint8)
    changed = _changes(2, brightness=0.5, contrast=0.5).apply(volumes, 0)
    assert changed.shape == volumes.shape
    assert not torch.equal(changed, volumes.float())
