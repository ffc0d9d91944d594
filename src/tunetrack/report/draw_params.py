"""Knows how searched parameters are drawn: slices with a numeric axis, slices by category, importances."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from statistics import median

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from tunetrack.report.importance import ParamImportance
from tunetrack.report.slices import SliceInfo
from tunetrack.report.style import (
    ACCENT,
    GREY,
    INK,
    MANY,
    dress,
    figure,
    legend,
    log_ticks,
    plain_ticks,
    scatter,
    units,
    wrapped,
)
from tunetrack.report.values import unit, window
from tunetrack.spec.records import TrialState

__all__ = ["draw_category_slices", "draw_importance", "draw_numeric_slices"]

_COLUMNS = 3
_LOG_FROM = 30.0


def draw_numeric_slices(slices: Sequence[SliceInfo], metric: str, maximize: bool, best: int | None) -> Figure:
    """One panel a numeric parameter, all with the same objective axis.

    Args:
        slices: numeric ones with at least one point each, at least one.
        metric: name of the objective.
        maximize: whether larger is better.
        best: number of the trial that gets a ring.
    """
    columns = min(_COLUMNS, len(slices))
    rows = -(-len(slices) // columns)
    drawn = figure(9.2, 0.75 + (2.5 if columns > 1 else 3.0) * rows)
    panels = drawn.subplots(rows, columns, sharey=True, squeeze=False)
    span, log = _objective_axis([point.value for one in slices for point in one.points], maximize)
    many = sum(len(one.points) for one in slices) > MANY
    for place, axes in enumerate(panels.flat):
        if place >= len(slices):
            axes.set_visible(False)
            continue
        one = slices[place]
        if log:
            axes.set_yscale("log")
            log_ticks(axes.yaxis, *span)
        axes.set_ylim(*span)
        _points(axes, one, span, many, best)
        _value_scale(axes, one)
        title = wrapped(one.path, 34 if columns > 1 else 90)
        scale = "log scale" if one.log else ""
        absent = f"absent in {one.left_out:,}" if one.left_out else ""
        dress(axes, ", ".join(filter(None, (scale, absent))), title=title)
    drawn.supylabel(units(metric, unit(metric)), fontsize=9, color=GREY)
    _legend_above(drawn, slices, best)
    return drawn


def draw_category_slices(slices: Sequence[SliceInfo], metric: str, maximize: bool, best: int | None) -> Figure:
    """One panel a parameter without numbers: a line a category with its full name, number of trials and median.

    Args:
        slices: categorical ones with at least one point each, at least one.
        metric: name of the objective.
        maximize: whether larger is better.
        best: number of the trial that gets a ring.
    """
    names = [[textwrap.fill(name, 46) or '""' for name in one.categories or ()] for one in slices]
    heights = [0.3 * sum(1 + 0.5 * name.count("\n") for name in own) + 0.42 for own in names]
    drawn = figure(9.2, sum(heights) + 0.9)
    panels = drawn.subplots(len(slices), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})
    span, log = _objective_axis([point.value for one in slices for point in one.points], maximize)
    many = sum(len(one.points) for one in slices) > MANY
    for axes, one, own in zip(panels.flat, slices, names, strict=True):
        dress(axes, title=wrapped(one.path, 70))
        axes.grid(False, axis="y")
        axes.set_xlim(*span)
        if log:
            axes.set_xscale("log")
            log_ticks(axes.xaxis, *span)
        else:
            plain_ticks(axes, 8)
        axes.set_yticks(range(len(own)), own)
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_ylim(len(own) - 0.5, -0.5)
        _category_points(axes, one, span, many, best)
    panels.flat[-1].set_xlabel(units(metric, unit(metric)), fontsize=9, color=GREY)
    line = Line2D([], [], color=ACCENT, linestyle="", marker="|", markersize=10, markeredgewidth=2)
    line.set_label("median of the complete ones")
    _legend_above(drawn, slices, best, [line])
    return drawn


def draw_importance(params: Sequence[ParamImportance], trials: int) -> Figure:
    """Bars of the shares with the spread over resampled trials."""
    drawn = figure(9.2, 1.0 + 0.32 * len(params))
    axes = drawn.add_subplot()
    dress(axes, f"share of the importance of all parameters (%), from {trials:,} trials")
    axes.grid(False, axis="y")
    places = np.arange(len(params))
    axes.barh(places, [100 * param.share for param in params], height=0.5, color="#8fbbe0")
    for place, param in zip(places, params, strict=True):
        low, high = 100 * min(param.low, param.share), 100 * max(param.high, param.share)
        axes.plot([low, high], [place, place], color=INK, linewidth=1.3, solid_capstyle="butt")
        words = f"{100 * param.share:.0f} %   ({100 * param.low:.0f} to {100 * param.high:.0f})"
        axes.annotate(words, (high, float(place)), (6, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.set_yticks(places, [wrapped(param.path, 44) for param in params])
    axes.tick_params(axis="y", labelcolor=INK, labelsize=9)
    axes.set_ylim(len(params) - 0.4, -0.6)
    axes.set_xlim(0, max(100 * max(param.share, param.high) for param in params) * 1.22 + 1)
    plain_ticks(axes, 6)
    return drawn


def _objective_axis(values: Sequence[float], maximize: bool) -> tuple[tuple[float, float], bool]:
    low, high = window(values, maximize)
    if low > 0 and high / low > _LOG_FROM:
        return (low / 1.25, high * 1.25), True
    pad = 0.07 * (high - low) or max(0.02 * abs(high), 1e-3)
    return (low - pad, high + pad), False


def _value_scale(axes: Axes, one: SliceInfo) -> None:
    values = [point.x for point in one.points]
    low, high = min(values), max(values)
    if one.log:
        axes.set_xscale("log")
        edge = (high / low) ** 0.06 if high > low else 1.5
        axes.set_xlim(low / edge, high * edge)
        log_ticks(axes.xaxis, low, high)
        return
    pad = 0.06 * (high - low) or max(abs(high) * 0.1, 0.5)
    axes.set_xlim(low - pad, high + pad)
    plain_ticks(axes, 5, whole=one.whole)
    distinct = sorted(set(values))
    # A few choices are named each, where they stand far enough apart.
    if 1 < len(distinct) <= 6 and min(np.diff(distinct)) >= 0.13 * (high - low):
        axes.xaxis.set_major_locator(FixedLocator(distinct))


def _points(axes: Axes, one: SliceInfo, span: tuple[float, float], many: bool, best: int | None) -> None:
    for state in (TrialState.PRUNED, TrialState.COMPLETE):
        own = [point for point in one.points if point.state is state]
        heights = [min(max(point.value, span[0]), span[1]) for point in own]
        scatter(axes, [point.x for point in own], heights, state, many)
    for point in one.points:
        if point.number == best:
            _ring(axes, point.x, point.value)


def _category_points(axes: Axes, one: SliceInfo, span: tuple[float, float], many: bool, best: int | None) -> None:
    for state in (TrialState.PRUNED, TrialState.COMPLETE):
        own = [point for point in one.points if point.state is state]
        # The golden ratio spreads neighbouring trial numbers without any random draw.
        heights = [point.x + 0.5 * ((point.number * 0.618034) % 1.0 - 0.5) for point in own]
        scatter(axes, [min(max(point.value, span[0]), span[1]) for point in own], heights, state, many)
    for index in range(len(one.categories or ())):
        values = [p.value for p in one.points if p.x == index and p.state is TrialState.COMPLETE]
        if values:
            middle = min(max(median(values), span[0]), span[1])
            axes.plot([middle, middle], [index - 0.36, index + 0.36], color=ACCENT, linewidth=2, solid_capstyle="butt")
        count = sum(point.x == index for point in one.points)
        axes.text(
            1.008, index, f"n = {count:,}", transform=axes.get_yaxis_transform(), va="center", fontsize=8, color=GREY
        )
    for point in one.points:
        if point.number == best:
            _ring(axes, point.value, point.x + 0.5 * ((point.number * 0.618034) % 1.0 - 0.5))


def _ring(axes: Axes, x: float, y: float) -> None:
    axes.scatter([x], [y], s=85, facecolors="none", edgecolors=ACCENT, linewidths=1.5, zorder=5)


def _legend_above(drawn: Figure, slices: Sequence[SliceInfo], best: int | None, extra: Sequence[Line2D] = ()) -> None:
    numbers = {state: {p.number for one in slices for p in one.points if p.state is state} for state in TrialState}
    counts = [(state, len(found)) for state, found in numbers.items() if found]
    lines = list(extra)
    if best is not None:
        ring = Line2D([], [], linestyle="", marker="o", markersize=9, markerfacecolor="none", color=ACCENT)
        ring.set_label(f"best (trial {best})")
        lines.insert(0, ring)
    legend(drawn, counts, lines)
