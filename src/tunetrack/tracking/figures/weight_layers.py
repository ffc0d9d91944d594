"""Knows how the update ratio of every layer over time is drawn: kernels from input to output, colours logarithmic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tunetrack.spec.weight_records import TensorKind, WeightStats
from tunetrack.tracking.figures import svg
from tunetrack.tracking.figures.weight_time import timeline

__all__ = ["layers_figure"]

_TOP, _WIDTH = 84.0, 560.0
#: Beyond this many layers only some of the names have room.
_NAMES_UP_TO = 40


def layers_figure(title: str, stats: Sequence[WeightStats]) -> bytes:
    """Draw |change| / |weights| of every kernel, epoch by epoch.

    Args:
        title: stands above the picture.
        stats: what the trial's epochs have yielded; at least one.

    Returns:
        An SVG document.
    """
    layers = stats[0].layout.tensors
    rows = [
        row for row, tensor in enumerate(layers) if tensor.kind is TensorKind.KERNEL and tensor.depth
    ]  # 0: never called
    rows.sort(key=lambda row: layers[row].depth)
    records = [record for one in stats for record in one.records if record.epoch > 0]
    time = timeline(records)
    ratios = time.means(
        np.array([record.column("update_ratio")[rows] for record in records]).reshape(len(records), len(rows))
    )
    names = [svg.short(layers[row].layer, 32) for row in rows]
    left = 44.0 + 6.0 * max(map(len, names), default=0)
    box = svg.Box(left, _TOP, _WIDTH, len(rows) * max(2.2, min(22.0, 560 / max(len(rows), 1))))
    since = "epoch" if time.label == "epoch" else "record"
    about = f"Update ratio: |change since the {since} before| / |weights before|, L2 norms, of every kernel"
    parts = [
        svg.text(24, 32, f"{title}: updates of every layer", 17, extra="font-weight='600'"),
        svg.text(24, 56, about, 12.5, svg.GREY),
    ]
    x = time.axis(box.x, box.x + box.width)
    if rows:
        parts += [*_picture(ratios.T, box), *_row_names(names, box), box.frame(), *time.marks(x, box.y + box.height)]
    else:
        parts.append(svg.text(24, _TOP, "this network has no kernels", 13, svg.GREY))
    width = max(left + _WIDTH + 96, 380 + 8.6 * len(title))
    return svg.document(width, max(_TOP + box.height + 54, 260.0), title, parts)


def _picture(ratios: NDArray[np.float64], box: svg.Box) -> list[str]:
    """The cells and their scale: at most six decades below the largest ratio, at least half a decade."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(ratios > 0, np.log10(ratios), np.nan)
    known = logs[np.isfinite(logs)]
    none = box.x + box.width + 16, box.y + max(box.height, 150) - 2
    parts = []
    if len(known) < logs.size:
        parts = [
            f"<rect x='{none[0]}' y='{none[1] - 10}' width='12' height='12' fill='{svg.NO_VALUE}'/>",
            svg.text(none[0] + 18, none[1], "0 or none", 11, svg.GREY),
        ]
    if not len(known):
        return [svg.picture(np.full(logs.shape, np.nan), box), *parts]
    high = float(known.max())
    low = max(min(float(known.min()), high - 0.5), high - 6)
    bar = svg.Box(box.x + box.width + 16, box.y, 12, 112)
    scale = svg.Axis(10**low, 10**high, 0.0, 1.0, log=True)
    marks = [(scale(tick), f"{tick:.3g}") for tick in scale.ticks(3)]
    return [svg.picture(np.clip((logs - low) / (high - low), 0, 1), box), *svg.color_bar(bar, marks), *parts]


def _row_names(names: Sequence[str], box: svg.Box) -> list[str]:
    every = -(-len(names) // _NAMES_UP_TO)
    height = box.height / len(names)
    font = max(8.0, min(11.5, height * every * 0.8))
    return [
        svg.text(
            box.x - 7,
            box.y + height * (index + 0.5) + font * 0.35,
            names[index],
            font,
            extra="text-anchor='end'",
        )
        for index in range(0, len(names), every)
    ]
