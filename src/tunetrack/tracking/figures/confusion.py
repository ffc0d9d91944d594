"""Knows how a confusion matrix is drawn: colour by share of the true class, counts where there is room."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunetrack.spec.records import Evaluation
from tunetrack.tracking.figures import svg

__all__ = ["confusion_figure"]

#: Up to this many classes every cell shows its count; beyond, the cells are one picture inside the figure.
_COUNTS_UP_TO = 20
#: Beyond this many classes only some of the names have room.
_NAMES_UP_TO = 40
#: Of the shares, before they become colours: small ones are to be seen.
_POWER = 0.7


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
    names = [svg.short(name) for name in evaluation.classes]
    left = 56.0 + 6.6 * max(len(name) for name in names)
    top, side = 92.0, cell * size
    bottom = top + side
    parts = [
        svg.text(24, 32, title, 17, extra="font-weight='600'"),
        svg.text(24, 56, _summary(evaluation, int(totals.sum())), 12.5, svg.GREY),
        _cells(counts, shares, left, top, cell),
        *_names(names, left, top, cell),
        svg.Box(left, top, side, side).frame(),
        svg.text(18, top + side / 2, "true class", 12, svg.GREY, svg.turned(18, top + side / 2, "middle", -90)),
    ]
    under = bottom + 30 + 4.9 * max(len(name) for name in names)
    parts.append(svg.text(left + side / 2, under, "predicted class", 12, svg.GREY, "text-anchor='middle'"))
    width = max(left + side + 96, 26 + 8.6 * len(title), 520.0)
    bar = svg.Box(left + side + 20, top, 12, min(side, 200.0))
    parts += svg.color_bar(bar, ((1.0, "100 %"), (0.5, "50 %"), (0.0, "0 %")), _POWER)
    return svg.document(width, under + 20, title, parts)


def _summary(evaluation: Evaluation, images: int) -> str:
    return (
        f"{images:,} images, accuracy {100 * evaluation.accuracy:.2f} %, loss {evaluation.loss:.4g}; "
        "colour: share of the true class"
    )


def _cells(counts: NDArray[np.int64], shares: NDArray[np.float64], left: float, top: float, cell: float) -> str:
    size = len(counts)
    if size > _COUNTS_UP_TO:
        return svg.picture(shares**_POWER, svg.Box(left, top, cell * size, cell * size))
    parts = []
    font = min(14.0, cell * 0.34)
    for (row, column), count in np.ndenumerate(counts):
        share = float(shares[row, column])
        x, y = left + column * cell, top + row * cell
        parts.append(
            f"<rect x='{x:.1f}' y='{y:.1f}' width='{cell:.1f}' height='{cell:.1f}' fill='{svg.shade(share**_POWER)}'/>"
        )
        if count:
            ink = "#ffffff" if share > 0.4 else svg.INK
            middle = x + cell / 2, y + cell / 2 + font * 0.36
            parts.append(svg.text(*middle, str(count), font, ink, "text-anchor='middle'"))
    return "".join(parts)


def _names(names: list[str], left: float, top: float, cell: float) -> list[str]:
    every = 1 if len(names) <= _NAMES_UP_TO else -(-len(names) // _NAMES_UP_TO)
    bottom = top + cell * len(names)
    font = min(12.0, max(8.0, cell * every * 0.8))
    parts = []
    for index in range(0, len(names), every):
        middle = cell * (index + 0.5)
        parts.append(svg.text(left - 7, top + middle + font * 0.35, names[index], font, svg.INK, "text-anchor='end'"))
        x, y = left + middle + font * 0.35, bottom + 8
        parts.append(svg.text(x, y, names[index], font, svg.INK, svg.turned(x, y, "end", -50)))
    return parts
