"""Knows how a confusion matrix is drawn: colour by share of the true class, counts where there is room."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from tunetrack.spec.records import Evaluation
from tunetrack.tracking import svg

__all__ = ["confusion_figure"]

#: Up to this many classes every cell shows its count; beyond, the cells are one picture inside the figure.
_COUNTS_UP_TO = 20
#: Beyond this many classes only some of the names have room.
_NAMES_UP_TO = 40
_LIGHT, _DARK = np.array([247.0, 251.0, 255.0]), np.array([8.0, 64.0, 129.0])


def confusion_figure(title: str, evaluation: Evaluation) -> bytes:
    """Draw the answers on one split.

    Args:
        title: stands above the matrix.
        evaluation: 2 to several hundred classes; a class without images has an empty row.

    Returns:
        An SVG document.
    """
    counts = np.asarray(evaluation.confusion, dtype=np.int64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    size = len(counts)
    cell = 64.0 if size <= 4 else max(5.0, min(52.0, 560.0 / size))
    names = [_short(name) for name in evaluation.classes]
    left = 56.0 + 6.6 * max(len(name) for name in names)
    top, side = 92.0, cell * size
    bottom = top + side
    parts = [
        svg.text(24, 32, title, 17, extra="font-weight='600'"),
        svg.text(24, 56, _summary(evaluation, int(totals.sum())), 12.5, svg.GREY),
        _cells(counts, shares, left, top, cell),
        *_names(names, left, top, cell),
        f"<rect x='{left:.1f}' y='{top:.1f}' width='{side:.1f}' height='{side:.1f}' fill='none' stroke='{svg.GREY}'/>",
        svg.text(18, top + side / 2, "true class", 12, svg.GREY, _turned(18, top + side / 2, "middle", -90)),
    ]
    under = bottom + 30 + 4.9 * max(len(name) for name in names)
    parts.append(svg.text(left + side / 2, under, "predicted class", 12, svg.GREY, "text-anchor='middle'"))
    width = max(left + side + 96, 26 + 8.6 * len(title), 520.0)
    parts += _scale(left + side + 20, top, min(side, 200.0))
    return svg.document(width, under + 20, title, parts)


def _summary(evaluation: Evaluation, images: int) -> str:
    return (
        f"{images:,} images, accuracy {100 * evaluation.accuracy:.2f} %, loss {evaluation.loss:.4g}; "
        "colour: share of the true class"
    )


def _color(share: float) -> str:
    red, green, blue = (_LIGHT + (_DARK - _LIGHT) * share**0.7).round().astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _cells(counts: NDArray[np.int64], shares: NDArray[np.float64], left: float, top: float, cell: float) -> str:
    size = len(counts)
    if size > _COUNTS_UP_TO:
        return _picture(shares, left, top, cell * size)
    parts = []
    font = min(14.0, cell * 0.34)
    for (row, column), count in np.ndenumerate(counts):
        share = float(shares[row, column])
        x, y = left + column * cell, top + row * cell
        parts.append(f"<rect x='{x:.1f}' y='{y:.1f}' width='{cell:.1f}' height='{cell:.1f}' fill='{_color(share)}'/>")
        if count:
            ink = "#ffffff" if share > 0.4 else svg.INK
            middle = x + cell / 2, y + cell / 2 + font * 0.36
            parts.append(svg.text(*middle, str(count), font, ink, "text-anchor='middle'"))
    return "".join(parts)


def _picture(shares: NDArray[np.float64], left: float, top: float, side: float) -> str:
    """The cells as one embedded PNG, one pixel a cell: 10,000 rectangles would weigh 1 MB."""
    pixels = (_LIGHT + (_DARK - _LIGHT) * shares[..., None] ** 0.7).round().astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return (
        f"<image x='{left:.1f}' y='{top:.1f}' width='{side:.1f}' height='{side:.1f}' style='image-rendering:pixelated' "
        f"href='data:image/png;base64,{base64.b64encode(png).decode()}'/>"
    )


def _names(names: list[str], left: float, top: float, cell: float) -> list[str]:
    every = 1 if len(names) <= _NAMES_UP_TO else -(-len(names) // _NAMES_UP_TO)
    bottom = top + cell * len(names)
    font = min(12.0, max(8.0, cell * every * 0.8))
    parts = []
    for index in range(0, len(names), every):
        middle = cell * (index + 0.5)
        parts.append(svg.text(left - 7, top + middle + font * 0.35, names[index], font, svg.INK, "text-anchor='end'"))
        x, y = left + middle + font * 0.35, bottom + 8
        parts.append(svg.text(x, y, names[index], font, svg.INK, _turned(x, y, "end", -50)))
    return parts


def _scale(x: float, top: float, height: float) -> list[str]:
    steps = 20
    parts = [
        f"<rect x='{x:.1f}' y='{top + height * (1 - (step + 1) / steps):.1f}' width='12' "
        f"height='{height / steps + 0.5:.1f}' fill='{_color((step + 0.5) / steps)}'/>"
        for step in range(steps)
    ]
    marks = ((1.0, "100 %"), (0.5, "50 %"), (0.0, "0 %"))
    return parts + [svg.text(x + 18, top + height * (1 - share) + 4, name, 11, svg.GREY) for share, name in marks]


def _turned(x: float, y: float, anchor: str, degrees: float) -> str:
    return f"text-anchor='{anchor}' transform='rotate({degrees:g} {x:.1f} {y:.1f})'"


def _short(name: str, limit: int = 18) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
