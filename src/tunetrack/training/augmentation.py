"""Knows how images are changed at random: each in its own way, all of a batch at once, on the device.

Torchvision's transforms draw one change for a whole batch, so that they have to be called image by image. Measured for
turn and shift of 64 images of 28x28 on one Zen 5 core: 5.6 ms with its RandomAffine, 0.8 ms here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from tunetrack.spec.config import AugmentConfig

__all__ = ["Changes", "affine_maps", "draw_changes"]

#: Random numbers an image: flip, angle, shift right, shift down, brightness, contrast, place of the erased square.
_DRAWS = 8


@dataclass(frozen=True)
class Changes:
    """The changes to a number of images; None stands for one that is switched off.

    Attributes:
        affine: float32 (n, 2, 3), see `affine_maps`.
        brightness: float32 (n,), factor of all values.
        contrast: float32 (n,), factor of the distance to the image's mean.
        corner: float32 (n, 2), where the erased square is, down and right: 0 at one border, below 1 at the other.
        erased: side of that square, as a fraction of the image's side.
    """

    affine: torch.Tensor | None
    brightness: torch.Tensor | None
    contrast: torch.Tensor | None
    corner: torch.Tensor | None
    erased: float

    def to(self, device: torch.device | str) -> Changes:
        """The same changes on another device."""
        affine, brightness, contrast, corner = (
            None if part is None else part.to(device)
            for part in (self.affine, self.brightness, self.contrast, self.corner)
        )
        return Changes(affine, brightness, contrast, corner, self.erased)

    def apply(self, images: torch.Tensor, first: int) -> torch.Tensor:
        """Change a batch: move, then brightness, then contrast, then erase.

        Args:
            images: (n, c, h, w), values 0 to 255, any type. Volumes (n, c, d, h, w) can be neither moved nor erased.
            first: the number of the batch's first image among those that changes were drawn for.

        Returns:
            float32, the same shape, values 0 to 255.
        """
        mine = slice(first, first + len(images))
        images = images.float()
        if self.affine is not None:
            images = _warp(images, self.affine[mine])
        each = (-1, *[1] * (images.dim() - 1))
        if self.brightness is not None:
            images = (images * self.brightness[mine].view(each)).clamp(0.0, 255.0)
        if self.contrast is not None:
            mean = images.flatten(1).mean(dim=1).view(each)
            images = torch.lerp(mean, images, self.contrast[mine].view(each)).clamp(0.0, 255.0)
        if self.corner is not None:
            images = _erase(images, self.corner[mine], self.erased)
        return images


def draw_changes(config: AugmentConfig, count: int, generator: torch.Generator) -> Changes:
    """Random changes to so many images.

    The same count of numbers is drawn whatever is switched on, so that one change does not alter what the others draw.

    Args:
        config: the largest changes; each is drawn uniformly up to there, either way.
        count: how many images.
        generator: on the CPU.
    """
    draws = torch.rand(_DRAWS, count, generator=generator)
    return Changes(
        affine=affine_maps(config, draws[:4]) if config.moves else None,
        brightness=_factors(config.brightness, draws[4]),
        contrast=_factors(config.contrast, draws[5]),
        corner=draws[6:].t().contiguous() if config.erase > 0.0 else None,
        erased=config.erase,
    )


def affine_maps(config: AugmentConfig, draws: torch.Tensor) -> torch.Tensor:
    """Affine maps, one an image: mirror, then rotate about the centre, then shift.

    Args:
        config: largest angle (degrees) and shift (fraction of the side).
        draws: float32 (4, n), uniform from 0 to 1: flip, angle, shift right, shift down.

    Returns:
        float32 (n, 2, 3): from output to input places, each axis from -1 to 1, as
        `torch.nn.functional.affine_grid` takes them (so it is the inverse of the picture's own movement).
    """
    flip, angle, *shift = draws
    count = len(flip)
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


def _factors(largest: float, draws: torch.Tensor) -> torch.Tensor | None:
    return 1.0 + (2.0 * draws - 1.0) * largest if largest > 0.0 else None


def _warp(images: torch.Tensor, affine: torch.Tensor) -> torch.Tensor:
    """Bilinear; places outside the image are black."""
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def _erase(images: torch.Tensor, corner: torch.Tensor, share: float) -> torch.Tensor:
    """A black square in every image, wholly inside it. After DeVries & Taylor 2017, https://arxiv.org/abs/1708.04552.

    Args:
        images: float32 (n, c, h, w).
        corner: (n, 2), from 0 to below 1.
        share: side of the square, as a fraction of the image's shorter side; at least one pixel.
    """
    side = max(1, round(share * min(images.shape[2:])))
    inside = []
    for axis, length in enumerate(images.shape[2:]):
        # The draws are below 1, but a product with a large length may round up to it.
        start = (corner[:, axis] * (length - side + 1)).floor().clamp(max=length - side)
        places = torch.arange(length, device=images.device)
        inside.append((places >= start[:, None]) & (places < start[:, None] + side))
    square = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(square, 0.0)
