"""Knows how the spread of a trial's weights over time is drawn: one panel a kind of tensor, colour by share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tunetrack.spec.weight_records import BINS, TensorInfo, TensorKind, WeightRecord, WeightStats
from tunetrack.tracking.figures import svg
from tunetrack.tracking.figures.weight_time import Timeline, timeline

__all__ = ["Spread", "histograms_figure", "spreads"]

_WIDTH, _TOP = 480.0, 84.0
_PANEL = svg.Box(66, 56, 340, 200)  # within a cell of the page
_CELL = 312.0
_LINE = "#ff7f0e"
_LEGEND = "Colour: share of the weights in a bin. Lines: median, 5 % and 95 %."
_QUANTILES = (0.05, 0.5, 0.95)
#: Of the shares, before they become colours: small ones are to be seen.
_POWER = 0.5
_NAMES = {
    TensorKind.KERNEL: "Kernels",
    TensorKind.BIAS: "Biases",
    TensorKind.GAMMA: "Gammas (scales of norms)",
    TensorKind.BETA: "Betas (shifts of norms)",
    TensorKind.OTHER: "Other parameters",
}


@dataclass(frozen=True)
class Spread:
    """The histograms of all tensors of a kind, added up bin by bin.

    Attributes:
        kind: of the tensors.
        tensors, weights: how many there are.
        low, high: ends of the histograms.
        in_units: whether values are multiples of each tensor's initial root mean square.
        counts: (records, BINS + 2), first what lies below the ends, last what lies above or is NaN.
    """

    kind: TensorKind
    tensors: int
    weights: int
    low: float
    high: float
    in_units: bool
    counts: NDArray[np.int64] = field(repr=False)


def spreads(tensors: Sequence[TensorInfo], records: Sequence[WeightRecord]) -> list[Spread]:
    """All kinds that a network has; tensors whose histograms have other ends than others of their kind stand apart."""
    groups: dict[tuple[TensorKind, float, float], list[int]] = {}
    for kind in TensorKind:
        for row, tensor in enumerate(tensors):
            if tensor.kind is kind:
                ends = round(tensor.low / tensor.unit, 6), round(tensor.high / tensor.unit, 6)
                groups.setdefault((kind, *ends), []).append(row)
    return [
        Spread(
            kind,
            len(rows),
            sum(tensors[row].size for row in rows),
            low,
            high,
            any(tensors[row].unit != 1.0 for row in rows),
            np.stack([record.histograms[rows].sum(axis=0) for record in records]),
        )
        for (kind, low, high), rows in groups.items()
    ]


def histograms_figure(title: str, stats: Sequence[WeightStats]) -> bytes:
    """Draw how the weights of each kind are spread, record by record.

    Args:
        title: stands above the panels.
        stats: what the trial's epochs have yielded; at least one.

    Returns:
        An SVG document.
    """
    records = [record for one in stats for record in one.records]
    time = timeline(records)
    panels = spreads(stats[0].layout.tensors, records)
    parts = [
        svg.text(24, 32, f"{title}: spread of weights", 17, extra="font-weight='600'"),
        svg.text(24, 54, _LEGEND + (" Epoch 0: the initial state." if time.label == "epoch" else ""), 12.5, svg.GREY),
    ]
    columns = min(len(panels), 2)
    for number, panel in enumerate(panels):
        x, y = _WIDTH * (number % columns), _TOP + _CELL * (number // columns)
        parts += _panel(panel, time, svg.Box(x + _PANEL.x, y + _PANEL.y, _PANEL.width, _PANEL.height))
    width = max(_WIDTH * columns, 190 + 8.6 * len(title), 620.0)
    return svg.document(width, _TOP + _CELL * -(-len(panels) // columns), title, parts)


def _panel(spread: Spread, time: Timeline, box: svg.Box) -> list[str]:
    counts = time.means(spread.counts.astype(np.float64))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    tensors = "tensor" if spread.tensors == 1 else "tensors"
    parts = [
        svg.text(box.x, box.y - 28, _NAMES[spread.kind], 13, extra="font-weight='600'"),
        svg.text(box.x, box.y - 10, _outside(spread), 11.5, svg.GREY),
        svg.text(
            box.x + box.width,
            box.y - 28,
            f"{spread.tensors} {tensors}, {spread.weights:,} weights",
            11.5,
            svg.GREY,
            "text-anchor='end'",
        ),
    ]
    x = time.axis(box.x, box.x + box.width)
    occupied = np.flatnonzero(shares[:, 1:-1].any(axis=0))
    if not len(occupied):
        middle = box.x + box.width / 2, box.y + box.height / 2
        parts.append(svg.text(*middle, "no weight within the range", 13, svg.GREY, "text-anchor='middle'"))
        return [*parts, box.frame(), *time.marks(x, box.y + box.height)]
    first, last = max(0, occupied[0] - 1), min(BINS, occupied[-1] + 2)
    edges = np.linspace(spread.low, spread.high, BINS + 1)
    y = svg.Axis(float(edges[first]), float(edges[last]), box.y + box.height, box.y)
    shown = shares[:, 1:-1][:, first:last]
    parts.append(svg.picture((shown.T[::-1] / shown.max()) ** _POWER, box))
    parts += _lines(quantiles(counts, edges), time, x, y)
    parts += [box.frame(), *time.marks(x, box.y + box.height), *_values(spread, y, box)]
    bar = svg.Box(box.x + box.width + 12, box.y, 10, 90)
    marks = [(share, f"{100 * share * shown.max():.3g} %") for share in (1.0, 0.5, 0.0)]
    return parts + svg.color_bar(bar, marks, _POWER)


def _outside(spread: Spread) -> str:
    """What the histograms' ends leave out, at its worst, in words; empty where that is nothing."""
    worst = spread.counts.max(axis=0) / max(spread.weights, 1)
    ends = ((worst[0], f"below {spread.low:g}"), (worst[-1], f"above {spread.high:g} or NaN"))
    words = [f"{100 * share:.3g} % {where}" for share, where in ends if share > 0]
    return f"not shown: up to {' and '.join(words)}" if words else ""


def quantiles(counts: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of histograms, weights being spread evenly within a bin.

    Args:
        counts: (n, bins + 2), with what lies below and above.
        edges: (bins + 1,).

    Returns:
        (n, 3): 5 %, median, 95 %; NaN where one lies outside of the edges.
    """
    known = np.cumsum(counts, axis=1)
    rows = [np.interp(np.multiply(_QUANTILES, row[-1]), row[:-1], edges, np.nan, np.nan) for row in known]
    return np.array(rows)


def _lines(found: NDArray[np.float64], time: Timeline, x: svg.Axis, y: svg.Axis) -> list[str]:
    parts = []
    for index, (values, width) in enumerate(zip(found.T, (1.4, 2.2, 1.4), strict=True)):
        spots = [(x(float(at)), y(float(value))) for at, value in zip(time.centers(), values, strict=True)]
        if time.columns == 1:
            spots = [(x.start, spots[0][1]), (x.end, spots[0][1])]
        parts.append(svg.path(spots, _LINE, width, "" if index == 1 else "stroke-dasharray='5 3'"))
    return parts


def _values(spread: Spread, y: svg.Axis, box: svg.Box) -> list[str]:
    parts = []
    for value in y.ticks():
        parts.append(svg.line(box.x - 4, y(value), box.x, y(value), svg.GREY))
        parts.append(svg.text(box.x - 8, y(value) + 4, f"{value:.4g}", 11, svg.GREY, "text-anchor='end'"))
    words = "weight / initial root mean square" if spread.in_units else "weight"
    at = box.x - 48, box.y + box.height / 2
    return [*parts, svg.text(*at, words, 12, svg.GREY, svg.turned(*at, "middle", -90))]
