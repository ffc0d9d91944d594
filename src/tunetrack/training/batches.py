"""Knows how bytes become what the model sees: choice of images, augmentation, normalisation, batched on the device."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch.nn import functional as F

from tunetrack.spec.config import AugmentConfig
from tunetrack.training.data import ResidentData, Split

__all__ = ["Normaliser", "draw_affine", "evaluation_batches", "evaluation_size", "training_batches"]

#: Images per batch where no gradient is kept. Measured on one Zen 5 core (64 filters, 28x28, bf16, images per second):
#: 64: 12400, 128: 13400, 256: 12500, 512: 6300, 1024: 3200, since larger maps fall out of the cache and are mapped
#: afresh by malloc each time. A GPU wants more work at a time.
_EVALUATION_BATCH = {"cpu": 128}
_EVALUATION_BATCH_ELSEWHERE = 2048


class Normaliser:
    """From uint8 images to float32 with mean 0 and deviation 1 on the training images, channels_last."""

    def __init__(self, data: ResidentData) -> None:
        shape = (1, -1, 1, 1)
        mean = torch.tensor(data.mean, dtype=torch.float64, device="cpu").view(shape)
        std = torch.tensor(data.std, dtype=torch.float64, device="cpu").view(shape)
        # (x / 255 - mean) / std as one multiplication and one addition
        self._scale = (1.0 / (255.0 * std)).float().to(data.device)
        self._shift = (-mean / std).float().to(data.device)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Normalise.

        Args:
            images: (n, c, h, w), any type, values 0 to 255.

        Returns:
            float32 (n, c, h, w), channels_last.
        """
        return torch.addcmul(self._shift, images.float(), self._scale).contiguous(memory_format=torch.channels_last)


def training_batches(
    split: Split,
    batch_size: int,
    order: torch.Generator,
    augment: AugmentConfig | None,
    augmentation: torch.Generator,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """One pass over a split in random order; the last batch may be smaller.

    All random numbers of the epoch are drawn at once, so that a batch costs a few operations on the device.

    Yields:
        images (n, c, h, w), uint8, or float32 on the same scale where augmented; labels int64 (n,).
    """
    device = split.images.device
    permutation = torch.randperm(len(split), generator=order).to(device)
    affine = None if augment is None else draw_affine(augment, len(split), augmentation).to(device)
    for number, chosen in enumerate(torch.split(permutation, batch_size)):
        images = split.images.index_select(0, chosen)
        if affine is not None:
            first = number * batch_size
            images = _warp(images, affine[first : first + len(chosen)])
        yield images, split.labels.index_select(0, chosen)


def evaluation_size(split: Split) -> int:
    """Images at a time that are best where no gradient is kept; at most those that there are."""
    return min(len(split), _EVALUATION_BATCH.get(split.images.device.type, _EVALUATION_BATCH_ELSEWHERE))


def evaluation_batches(split: Split, size: int | None = None) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The images of a split in their order, in large batches: images uint8 (n, c, h, w), labels int64 (n,)."""
    size = size or evaluation_size(split)
    yield from zip(torch.split(split.images, size), torch.split(split.labels, size), strict=True)


def draw_affine(config: AugmentConfig, count: int, generator: torch.Generator) -> torch.Tensor:
    """Random affine maps, one an image: mirror, then rotate about the centre, then shift.

    Args:
        config: largest angle (degrees) and shift (fraction of the side); both are drawn uniformly either way.
        count: how many.
        generator: on the CPU.

    Returns:
        float32 (count, 2, 3): from output to input places, each axis from -1 to 1, as
        `torch.nn.functional.affine_grid` takes them (so it is the inverse of the picture's own movement).
    """
    # Always four numbers an image: switching one change on does not alter what the others draw.
    flip, angle, *shift = torch.rand(4, count, generator=generator)
    mirror = torch.where(flip < 0.5, -1.0, 1.0) if config.horizontal_flip else torch.ones(count)
    radians = (2.0 * angle - 1.0) * math.radians(config.rotation)
    # A side is 2 units long in these places, so a shift by the fraction f moves by 2 f.
    right, down = ((2.0 * part - 1.0) * 2.0 * config.translation for part in shift)
    cos, sin = radians.cos(), radians.sin()
    rows = torch.stack([cos, sin, -sin, cos], dim=1).view(count, 2, 2)
    offset = -(rows @ torch.stack([right, down], dim=1).unsqueeze(2))
    affine = torch.cat([rows, offset], dim=2)
    affine[:, 0] *= mirror.unsqueeze(1)
    return affine


def _warp(images: torch.Tensor, affine: torch.Tensor) -> torch.Tensor:
    """Bilinear; places outside the image are black. Returns float32, values 0 to 255."""
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    return F.grid_sample(images.float(), grid, align_corners=False)
