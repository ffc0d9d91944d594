"""Knows how the report's figures look, and how a matplotlib figure becomes a small, reproducible SVG.

Only matplotlib's Figure objects are used, never pyplot and never its global settings, so that a server may draw in
several threads.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from tunetrack.spec.records import TrialState

__all__ = [
    "ACCENT",
    "GREY",
    "GRID",
    "INK",
    "MANY",
    "MARKS",
    "SERIES",
    "Mark",
    "dress",
    "figure",
    "legend",
    "log_ticks",
    "plain_text",
    "plain_ticks",
    "scatter",
    "spread",
    "to_svg",
    "units",
    "wrapped",
]

INK, GREY, GRID = "#1f2933", "#52606d", "#e4e7eb"
#: The best trial, everywhere.
ACCENT = "#1f2933"
#: Colours that red-green blind people can tell apart (Okabe & Ito 2008), darkened for white paper.
SERIES = ("#1f6fb2", "#d9822b", "#00795c", "#b3261e", "#7b4fa3", "#3aa6d8", "#8a6d00", "#d0639b")
#: From this many points on they are drawn as one picture inside the SVG: 1,000 single marks weigh 0.1 MB a figure.
MANY = 250
_DPI = 110


@dataclass(frozen=True)
class Mark:
    """How the trials of one state are drawn; the shapes differ, so that colour is never needed to tell them apart.

    Attributes:
        color: from a palette that red-green blind people can tell apart (Okabe & Ito 2008), darkened for white paper.
        shape: matplotlib's marker.
        filled: whether the shape is filled.
        size: area, points squared.
    """

    color: str
    shape: str
    filled: bool
    size: float


MARKS: Final = {
    TrialState.COMPLETE: Mark("#1f6fb2", "o", True, 24),
    TrialState.PRUNED: Mark("#d9822b", "v", False, 24),
    TrialState.DUPLICATE: Mark("#3aa6d8", "D", False, 18),
    TrialState.FAILED: Mark("#b3261e", "x", True, 26),
    TrialState.INFEASIBLE: Mark("#7b4fa3", "s", False, 20),
    TrialState.KILLED: Mark("#1f2933", "+", True, 32),
    TrialState.RUNNING: Mark("#00795c", ">", False, 22),
}


def figure(width: float, height: float) -> Figure:
    """An empty figure.

    Args:
        width, height: inches; 9.2 inches fill the page.
    """
    made = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasSVG(made)
    return made


def dress(axes: Axes, x_title: str = "", y_title: str = "", title: str = "") -> None:
    """Axis titles, a light grid below the data, no box."""
    axes.set_axisbelow(True)
    axes.grid(True, color=GRID, linewidth=0.8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#9aa5b1")
    axes.tick_params(length=0, labelsize=8.5, labelcolor=GREY, pad=4)
    axes.tick_params(axis="x", which="both", length=3, color="#9aa5b1")
    axes.set_xlabel(x_title, fontsize=9, color=GREY)
    axes.set_ylabel(y_title, fontsize=9, color=GREY)
    if title:
        axes.set_title(title, fontsize=9.5, color=INK, loc="left", fontweight="bold", pad=7)


def scatter(
    axes: Axes,
    x: Sequence[float],
    y: Sequence[float],
    state: TrialState,
    many: bool = False,
    *,
    by_height: bool = False,
) -> None:
    """Points of one state.

    Args:
        axes: where.
        x, y: data coordinates.
        state: gives colour and shape.
        many: whether the figure holds so many points that they are drawn as a picture, and smaller.
        by_height: whether y is a fraction of the axes' height instead.
    """
    mark = MARKS[state]
    # A picture of flat colours packs five times as well as one with soft edges and transparency.
    look: dict[str, Any] = {"alpha": 0.85, "linewidths": 1.0, "s": mark.size}
    if many:
        look = {"alpha": 1.0, "linewidths": 0.6, "s": 0.55 * mark.size, "rasterized": True, "antialiaseds": False}
    if by_height:
        look |= {"transform": axes.get_xaxis_transform(), "clip_on": False}
    if mark.shape in "x+":
        axes.scatter(x, y, c=mark.color, marker=mark.shape, **look)
        return
    face = mark.color if mark.filled else "none"
    edge = "white" if many and mark.filled else mark.color
    axes.scatter(x, y, facecolors=face, edgecolors=edge, marker=mark.shape, **look)


def legend(above: Axes | Figure, counts: Sequence[tuple[TrialState, int]], extra: Sequence[Line2D] = ()) -> None:
    """One row above the axes, or above all of a figure's: the states with their counts, then further lines."""
    handles = [
        Line2D(
            [], [], linestyle="", marker=mark.shape, markersize=6, color=mark.color,
            markerfacecolor=mark.color if mark.filled else "none", label=f"{state.value.lower()} {count:,}",
        )
        for state, count in counts
        for mark in (MARKS[state],)
    ]  # fmt: skip
    look = {"fontsize": 8.5, "frameon": False, "labelcolor": INK, "handletextpad": 0.3, "columnspacing": 1.4}
    if isinstance(above, Figure):
        above.legend(handles=[*handles, *extra], loc="outside upper left", ncols=8, **look)
        return
    above.legend(
        handles=[*handles, *extra], loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=8, borderaxespad=0.2, **look
    )


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Ticks of a logarithmic axis: decades, thinned to at most five; within two decades 1, 2, 5; else round values."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 1:
        values = [10.0**power for power in range(first, last + 1, -(-(last - first + 1) // 5))]
    else:
        for factors in ((1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)):
            values = [factor * 10.0**power for power in range(first - 1, last + 1) for factor in factors]
            values = [value for value in values if low <= value <= high]
            if len(values) >= 2:
                break
        else:
            values = sorted({float(f"{value:.2g}") for value in (low, math.sqrt(low * high), high)})
    axis.set_major_locator(FixedLocator(values))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def plain_ticks(axes: Axes, count: int = 5, whole: bool = False) -> None:
    """Round values on a linear x axis, about `count` of them; only whole numbers where asked."""
    axes.xaxis.set_major_locator(MaxNLocator(count, integer=whole, min_n_ticks=1 if whole else 2))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.5g}" if value < 1e5 else f"{value:,.0f}"))


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Positions moved apart as little as needed, in the same order, so that neighbours are at least `gap` apart."""
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    blocks: list[tuple[float, int]] = []  # (centre, number of labels)
    for index in order:
        centre, count = positions[index], 1
        while blocks and blocks[-1][0] + gap * blocks[-1][1] / 2 > centre - gap * count / 2:
            other, size = blocks.pop()
            centre = (other * size + centre * count) / (size + count)
            count += size
        blocks.append((centre, count))
    places = [centre + gap * (rank - (count - 1) / 2) for centre, count in blocks for rank in range(count)]
    result = [0.0] * len(positions)
    for index, place in zip(order, places, strict=True):
        result[index] = place
    return result


def wrapped(path: str, width: int) -> str:
    """A dotted path in lines of about `width` characters, broken only after a dot, slash or underscore."""
    lines = [""]
    for piece in re.findall(r"[^._/]+[._/]*|[._/]+", path):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def units(metric: str, unit: str) -> str:
    """An axis title: the metric with its unit, where it has one."""
    return f"{metric} ({unit})" if unit else metric


def plain_text(drawn: Figure) -> None:
    """Take every text as it is: a parameter may be called ``$x_1^$``, which matplotlib would read as a formula."""
    for text in drawn.findobj(Text):
        if isinstance(text, Text):
            text.set_parse_math(False)


def to_svg(drawn: Figure) -> str:
    """The figure as SVG without metadata; the same figure gives the same text.

    Coordinates are rounded to 0.01 point. matplotlib makes ids from a random salt, so they are numbered anew.
    """
    plain_text(drawn)
    stream = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    drawn.savefig(stream, format="svg", dpi=_DPI, metadata=nothing)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r' (d|x|y|points)="([^"]*)"', _rounded, text)
    ids = dict.fromkeys(re.findall(r'id="([a-z]+[0-9a-f]{8,})"', text))
    for count, name in enumerate(ids):
        text = text.replace(name, f"i{count}")
    return re.sub(r"\s*\n\s*", "\n", text)


def _rounded(match: re.Match[str]) -> str:
    numbers = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found.group()):.2f}", match.group(2))
    return f' {match.group(1)}="{" ".join(numbers.split())}"'
