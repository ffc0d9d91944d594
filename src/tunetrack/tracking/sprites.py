"""Knows how many small images become one PNG, row by row, and how the place of each is told."""

from __future__ import annotations

import io
import json
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tunetrack.tracking.names import File

__all__ = ["sprite_files"]

#: Images beside each other.
COLUMNS = 40
#: Bytes that the PNG may have.
LIMIT = 1_000_000
#: Where it would have more, so much of what should just fit is kept: photographs differ in how well they are packed.
_CAREFUL = 0.95


def sprite_files(tiles: NDArray[np.uint8], digest: str) -> dict[str, bytes]:
    """The images as one PNG of at most `LIMIT` bytes, and its layout as JSON, content by file name.

    Where all of them would make it too large, it holds as many of the first ones as fit.

    Args:
        tiles: (n, h, w) grey or (n, h, w, 3) coloured, n >= 1.
        digest: of the data set that they belong to.
    """
    count = len(tiles)
    while len(png := _png(tiles[:count])) > LIMIT and count > 1:
        count = max(1, min(count - 1, int(count * LIMIT / len(png) * _CAREFUL)))
    height, width = tiles.shape[1:3]
    layout = {"tile": [width, height], "columns": min(COLUMNS, count), "count": count, "digest": digest}
    return {File.IMAGES: png, File.IMAGES_LAYOUT: json.dumps(layout).encode()}


def _png(tiles: NDArray[np.uint8]) -> bytes:
    columns = min(COLUMNS, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    height, width = tiles.shape[1:3]
    canvas = np.zeros((rows * columns, *tiles.shape[1:]), np.uint8)
    canvas[: len(tiles)] = tiles
    grid = canvas.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grid).reshape(rows * height, columns * width, *tiles.shape[3:])).save(
        file, "PNG"
    )
    return file.getvalue()
