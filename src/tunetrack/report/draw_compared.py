"""Knows how learning curves are drawn with each configuration's number, and the original's, beside them."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tunetrack.report.compared_curves import ComparedCurves, ComparedRow
from tunetrack.report.style import GREY, INK, SERIES, dress, figure, log_ticks, plain_ticks, units, wrapped
from tunetrack.report.values import unit, window

__all__ = ["draw_compared"]

_LOG_FROM = 30.0


def draw_compared(info: ComparedCurves) -> Figure:
    """Learning curves on the left; on the right one row a configuration, which is the curves' legend as well.

    Args:
        info: at least one row.
    """
    with_curve = [index for index, row in enumerate(info.rows) if row.curve]
    drawn = figure(9.2, max(3.9, 1.5 + 0.27 * len(info.rows)))
    left, right = drawn.subplots(1, 2, gridspec_kw={"width_ratios": (1.25, 1.0)})
    colors = {index: SERIES[place % len(SERIES)] for place, index in enumerate(with_curve)}
    _curves(left, info, colors)
    _points(right, info, colors)
    return drawn


def _curves(axes: Axes, info: ComparedCurves, colors: dict[int, str]) -> None:
    dress(axes, "epoch", units(info.curve_metric, unit(info.curve_metric)))
    if 0 < len(colors) < len(info.rows):
        axes.text(0.0, 1.02, "of the rows in colour", transform=axes.transAxes, fontsize=8.5, color=GREY)
    curves = [(index, row.curve) for index, row in enumerate(info.rows) if row.curve]
    if not curves:
        axes.text(0.5, 0.5, "no curve is stored", transform=axes.transAxes, ha="center", fontsize=10, color=GREY)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    last = max(len(values) for _, values in curves)
    for index, values in curves:
        steps = range(1, len(values) + 1)
        axes.plot(steps, values, color=colors[index], linewidth=1.7, marker="o" if last <= 30 else "", markersize=3.0)
    low, high = window([v for _, values in curves for v in values], info.curve_metric.endswith("accuracy"))
    if low > 0 and high / low > _LOG_FROM:
        axes.set_yscale("log")
        log_ticks(axes.yaxis, low, high)
        axes.set_ylim(low / 1.2, high * 1.2)
    else:
        pad = 0.05 * (high - low) or max(0.02 * abs(high), 1e-3)
        axes.set_ylim(low - pad, high + pad)
    axes.set_xlim(0.8 if last > 1 else 0.5, last + 0.02 * last if last > 1 else 1.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))


def _points(axes: Axes, info: ComparedCurves, colors: dict[int, str]) -> None:
    dress(axes, units(info.point_metric, unit(info.point_metric)))
    axes.grid(False, axis="y")
    compared = any(row.original for row in info.rows)
    for place, row in enumerate(info.rows):
        color = colors.get(place, GREY)
        gap = 0.16 if compared else 0.0
        if row.ours is not None:
            _point(axes, (place - gap, row.ours), color, "o", filled=True)
        if row.original is not None:
            _point(axes, (place + gap, row.original), color, "D", filled=False)
    axes.set_yticks(range(len(info.rows)), [wrapped(row.label, 40) for row in info.rows])
    for place, text in enumerate(axes.get_yticklabels()):
        text.set_color(colors.get(place, GREY))
        text.set_fontweight("bold" if place in colors else "normal")
    axes.set_ylim(len(info.rows) - 0.4, -0.6)
    axes.margins(x=0.08)
    plain_ticks(axes, 5)
    _legend(axes, info.rows)


def _point(
    axes: Axes, where: tuple[float, tuple[float, float | None]], color: str, marker: str, *, filled: bool
) -> None:
    place, (value, error) = where
    axes.errorbar(
        [value], [place], xerr=None if error is None else [error], color=color, marker=marker, linestyle="",
        markersize=5.5 if filled else 5.0, markerfacecolor=color if filled else "white", linewidth=1.1, zorder=3,
    )  # fmt: skip


def _legend(axes: Axes, rows: Sequence[ComparedRow]) -> None:
    marks = [("here", "o", INK)] if any(row.ours for row in rows) else []
    marks += [("original", "D", "white")] if any(row.original for row in rows) else []
    words = (
        " (bars: 1 standard error)" if any(one and one[1] for row in rows for one in (row.ours, row.original)) else ""
    )
    handles = [
        Line2D(
            [], [], linestyle="", marker=marker, color=INK, markerfacecolor=face, markersize=5.5,
            label=name + (words if place == len(marks) - 1 else ""),
        )
        for place, (name, marker, face) in enumerate(marks)
    ]  # fmt: skip
    axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, frameon=False, fontsize=8.5,
        labelcolor=INK, handletextpad=0.2, columnspacing=1.2, borderaxespad=0.2,
    )  # fmt: skip
