"""Knows how to write plain SVG: text, lines, axes with round ticks, pictures of many cells.

Every trial leaves several figures. matplotlib takes 70 to 110 ms for each, most of it holding the interpreter's lock
that the trainer needs too; these take a few ms, and MLflow's artifact viewer shows both kinds alike.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "GREY",
    "GRID",
    "INK",
    "NO_VALUE",
    "Axis",
    "Box",
    "color_bar",
    "document",
    "escape",
    "line",
    "path",
    "picture",
    "shade",
    "short",
    "text",
    "ticks",
    "turned",
]

INK, GREY, GRID = "#1f2933", "#616e7c", "#e4e7eb"
#: Of a picture's cells that have no value.
NO_VALUE = "#c9ced6"
_LIGHT, _DARK = np.array([247.0, 251.0, 255.0]), np.array([8.0, 64.0, 129.0])
#: 255 colours of shares, and that of no value, as a PNG has them.
_PALETTE = np.linspace(_LIGHT, _DARK, 255).round().astype(np.uint8).tobytes() + bytes.fromhex(NO_VALUE[1:])
_FONT = "font-family='Helvetica Neue,Helvetica,Arial,DejaVu Sans,sans-serif'"


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; `y` is its upper edge."""

    x: float
    y: float
    width: float
    height: float

    def frame(self) -> str:
        """Its outline."""
        return (
            f"<rect x='{self.x:.1f}' y='{self.y:.1f}' width='{self.width:.1f}' height='{self.height:.1f}' "
            f"fill='none' stroke='{GREY}'/>"
        )


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic map from values to pixels.

    Attributes:
        low, high: the values at the ends; positive where `log` is set, and low < high.
        start, end: the pixels at the ends.
        log: whether the axis is logarithmic.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of `value`."""
        if self.log:
            share = (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values within the axis, about `count` of them."""
        if not self.log:
            return ticks(self.low, self.high, count)
        first, last = math.floor(math.log10(self.low)), math.floor(math.log10(self.high) + 1e-9)
        every = max(1, -(-(last - first) // (2 * count)))  # of twenty decades every other one
        decades = [10.0**power for power in range(first, last + 1, every)]
        for factors in ((1,), (1, 2, 5)):
            values = [factor * decade for decade in decades for factor in factors]
            inside = [value for value in values if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]
            if len(inside) >= 3:
                return inside
        return inside if len(inside) == 2 else ticks(self.low, self.high, count)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within [low, high], about `count` of them."""
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def text(x: float, y: float, content: str, size: float = 12, color: str = INK, extra: str = "") -> str:
    """One line of text; `extra` holds further attributes such as ``text-anchor='end'``."""
    return f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size:g}' fill='{color}' {extra}>{escape(content)}</text>"


def line(x1: float, y1: float, x2: float, y2: float, color: str = GRID, width: float = 1) -> str:
    """One straight line."""
    return f"<path d='M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}' stroke='{color}' stroke-width='{width:g}'/>"


def path(points: Sequence[tuple[float, float]], color: str, width: float, extra: str = "") -> str:
    """A line through `points` (pixels), with a gap where one is not finite."""
    steps, pen = [], "M"
    for x, y in points:
        known = math.isfinite(y)
        if known:
            steps.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L" if known else "M"
    drawn = "".join(steps)
    return f"<path d='{drawn}' fill='none' stroke='{color}' stroke-width='{width:g}' stroke-linejoin='round' {extra}/>"


def turned(x: float, y: float, anchor: str, degrees: float) -> str:
    """Attributes that turn a text around its beginning, middle or end."""
    return f"text-anchor='{anchor}' transform='rotate({degrees:g} {x:.1f} {y:.1f})'"


def short(name: str, limit: int = 18) -> str:
    """`name` without what is beyond `limit` characters."""
    return name if len(name) <= limit else name[: limit - 1] + "…"


def shade(share: float) -> str:
    """The colour of a share in [0, 1]: from nearly white to dark blue."""
    red, green, blue = (_LIGHT + (_DARK - _LIGHT) * share).round().astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


def picture(shares: NDArray[np.float64], box: Box) -> str:
    """Cells as one embedded PNG, one pixel a cell: 10,000 rectangles would weigh 1 MB.

    Args:
        shares: (rows, columns), in [0, 1], drawn in the colour of `shade`; NaN in that of `NO_VALUE`.
        box: where the cells are; all are equally large.
    """
    levels = np.where(np.isnan(shares), 255, np.nan_to_num(shares) * 254).round().astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", _PALETTE),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return (
        f"<image x='{box.x:.1f}' y='{box.y:.1f}' width='{box.width:.1f}' height='{box.height:.1f}' "
        "preserveAspectRatio='none' style='image-rendering:pixelated' "
        f"href='data:image/png;base64,{base64.b64encode(png).decode()}'/>"
    )


def color_bar(box: Box, marks: Sequence[tuple[float, str]], power: float = 1.0) -> list[str]:
    """The scale of colours beside a picture, upright.

    Args:
        box: where it is; its marks stand on its right.
        marks: (height as a share of the box, words).
        power: the colour at height h is that of h**power.
    """
    heights = np.linspace(1.0, 0.0, max(2, round(box.height / 2)))
    return [
        picture(heights[:, None] ** power, box),
        *(text(box.x + box.width + 6, box.y + box.height * (1 - share) + 4, name, 11, GREY) for share, name in marks),
    ]


def document(width: float, height: float, title: str, parts: Sequence[str]) -> bytes:
    """The whole file, on white, with `title` as its accessible name."""
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:.0f}' height='{height:.0f}' "
        f"viewBox='0 0 {width:.0f} {height:.0f}' role='img' {_FONT}><title>{escape(title)}</title>"
        "<rect width='100%' height='100%' fill='#ffffff'/>"
    )
    return (head + "\n".join(parts) + "</svg>\n").encode()
