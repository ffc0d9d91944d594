"""Knows how images are made small enough to be shown beside each other."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tunetrack.training.data import Split

__all__ = ["MOST", "SIDE", "thumbnails"]

#: So many images are shown at the most.
MOST = 1000
#: Pixels; what is larger is made smaller.
SIDE = 48


def thumbnails(split: Split) -> NDArray[np.uint8]:
    """The first images of a split, at most `MOST` of them, in its order, at most `SIDE` pixels high and wide.

    Of a volume the slice in the middle of its depth is taken.

    Returns:
        uint8: (n, h, w) of grey images, (n, h, w, 3) of coloured ones.
    """
    images = split.images[:MOST]
    if images.dim() == 5:
        images = images[:, :, images.shape[2] // 2]
    images = images.cpu()
    height, width = images.shape[2:]
    if max(height, width) > SIDE:
        scale = SIDE / max(height, width)
        size = max(1, round(height * scale)), max(1, round(width * scale))
        images = torch.nn.functional.interpolate(images.float(), size, mode="bilinear", antialias=True)
        images = images.round().clamp(0, 255).to(torch.uint8)
    shown: NDArray[np.uint8] = images.permute(0, 2, 3, 1).contiguous().numpy()
    return shown[..., 0] if shown.shape[3] == 1 else shown
